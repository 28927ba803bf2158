#pragma once
// What the integration tests share.

#include <optional>
#include <string>
#include <vector>

#include "tests/support/pgweir_process.h"
#include "tests/support/postgres.h"
#include "tests/support/wire_client.h"

namespace pgweir {

// One PostgreSQL for the whole run, started when it is first asked for. No client backend of an earlier
// test is left when this returns. It has users of every kind of authentication, all with password `secret`:
// trust_user, md5_user, scram_user, clear_user.
Postgres& shared_postgres();
void stop_shared_postgres();

// The answer to a login without password: nothing when it succeeded.
struct LoginError {
  std::string severity, sqlstate, message, detail;
};
std::optional<LoginError> try_login(int port, const std::string& user, const std::string& database);

// The fields of an ErrorResponse.
LoginError error_fields(const std::string& body);

// The backends that answer `select pg_backend_pid()` on these connections, asked all at once.
std::vector<int> ask_backend_pids(std::vector<PgConnection>& clients);

// pgweir with these arguments, run until it ends by itself: its exit status, -1 when it had none, and all
// that it wrote.
struct PgweirOutput {
  int status;
  std::string text;
};
PgweirOutput run_pgweir(const std::vector<std::string>& arguments);

// Waits until this many clients of the pool wait for a server.
bool waiting_clients(const PgweirProcess& pgweir, int count);

}  // namespace pgweir
