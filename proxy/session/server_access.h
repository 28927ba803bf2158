#pragma once
// Where the servers of a pool are, and who logs in there: what a login to a server has to know.

#include <optional>
#include <string>
#include <vector>

#include "admin/settings.h"
#include "pool/route.h"
#include "protocol/startup.h"
#include "proxy/session/endpoint.h"

namespace pgweir {

struct ServerTarget {
  std::vector<Endpoint> hosts;
  SessionAttrs attrs = SessionAttrs::any;
  std::string dbname;    // empty: as the client named it
  std::string user;      // empty: the client's user
  std::string password;  // plain, or a verifier
  TlsMode tls = TlsMode::disable;
  friend bool operator==(const ServerTarget&, const ServerTarget&) = default;
  // The same database of the same servers, whoever logs in.
  bool leads_where(const ServerTarget& other) const {
    return hosts == other.hosts && attrs == other.attrs && dbname == other.dbname && tls == other.tls;
  }
  // All of it but the password, to compare what two workers mean.
  std::string key() const {
    std::string text = std::to_string(static_cast<int>(attrs)) + '\n' +
                       std::to_string(static_cast<int>(tls)) + '\n' + dbname + '\n' + user;
    for (const Endpoint& host : hosts) text += '\n' + host.name();
    return text;
  }
};

struct ServerAccess {
  Route route;
  ServerTarget target{};
  // What the only client of the pool said at its startup, if it is a replication connection.
  std::optional<StartupMessage> replication{};

  const std::string& login_user() const { return target.user.empty() ? route.user : target.user; }
};

}  // namespace pgweir
