#pragma once
// The simulated PostgreSQL server: a postmaster and its backends, each of which runs a ToySession behind a
// connection of the simulated network. It can be killed in parts or as a whole, and comes up again.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/checks.h"
#include "tests/sim/message_buffer.h"
#include "tests/sim/sim_net.h"

namespace pgweir::sim {

enum class ServerAuth : std::uint8_t { trust, cleartext, md5 };

class SimPostgres {
 public:
  enum class Door : std::uint8_t {
    open,
    refused,  // nobody listens
    silent,   // the attempt is never answered
  };

  SimPostgres(Schedule& schedule, SimNet& net, Checks& checks, ServerAuth auth, int max_connections);
  ~SimPostgres();
  SimPostgres(const SimPostgres&) = delete;
  SimPostgres& operator=(const SimPostgres&) = delete;

  // What somebody who connects now finds.
  Door door();
  // A new connection to the listening port; the user whom connect() is to be given for the server's end, and
  // which is to be told its socket by accepted().
  SocketUser* new_backend();
  void accepted(SocketUser* backend, SocketId socket);

  // Faults.
  void set_trouble(unsigned refuse_of_thousand, unsigned silent_of_thousand,
                   unsigned login_stall_of_thousand);
  void kill_some_backend();
  // All backends die; nobody listens, then the server is starting up, then it is back.
  void crash(Duration down, Duration starting);
  void set_max_connections(int count) { max_connections_ = count; }

  // What is left of clients that are gone: a description of the first backend that is not at rest.
  std::string restless() const;
  // The backend serves nobody: no transaction, nothing under way to it or from it.
  bool at_rest(std::int32_t pid) const;
  // The client_encoding with which this server's session began; empty when there is none.
  std::string encoding_of(std::int32_t pid) const;
  static std::string password_of(const std::string& user) { return "secret of " + user; }

 private:
  class Backend;
  enum class Phase : std::uint8_t { up, down, starting };

  void log_in(Backend& backend);
  // A transaction with this NOTIFY has been committed.
  void publish(const Backend& sender, const std::string& channel, const std::string& payload);
  void cancel(std::uint32_t pid, std::uint32_t secret);
  int count(const std::string* database, const std::string* user) const;

  Schedule& schedule_;
  SimNet& net_;
  Checks& checks_;
  SeededRandom random_;
  ServerAuth auth_;
  int max_connections_;
  Phase phase_ = Phase::up;
  int crashes_ = 0;
  unsigned refuse_ = 0, silent_ = 0, login_stall_ = 0;
  std::uint32_t next_pid_ = 1000;
  std::vector<std::unique_ptr<Backend>> backends_;  // those that ended as well: nothing dies in an event
};

}  // namespace pgweir::sim
