#pragma once
// What TLS needs beside the connections: keys, certificates, versions and ciphers, read from the files that
// the settings name. Made once for each set of settings, then constant; any thread.

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "proxy/net/tls_channel.h"

namespace pgweir {

class TlsContexts {
 public:
  // `secret`: of the process; from it come the keys of the session tickets, so that a client may come back to
  // any worker, and after a reload. The error names the setting.
  static tl::expected<std::shared_ptr<const TlsContexts>, std::string> make(const Settings& settings,
                                                                            Bytes secret);

  // The channel of a connection that is open. The error says why there is none.
  tl::expected<std::unique_ptr<TlsChannel>, std::string> start(const TlsStart& start) const;

 private:
  struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  using Context = std::unique_ptr<SSL_CTX, FreeContext>;

  TlsContexts() = default;
  static tl::expected<Context, std::string> of_clients(const TlsSettings& side, Bytes secret);
  static tl::expected<Context, std::string> of_servers(const TlsSettings& side);
  static tl::expected<Context, std::string> common(const TlsSettings& side, Bytes prefix,
                                                   const SSL_METHOD* method);

  Context clients_;  // null: clients cannot encrypt
  Context servers_;
};

}  // namespace pgweir
