#include "tests/integration/servers.h"

#include <csignal>
#include <map>
#include <memory>
#include <stdexcept>

#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace pgweir {
namespace {

std::unique_ptr<Postgres> shared;

std::unique_ptr<Postgres> start_shared() {
  auto postgres = std::make_unique<Postgres>(PostgresOptions{
      .max_connections = 100,
      .configuration = {},
      .hba = {"host all md5_user 127.0.0.1/32 md5", "host all scram_user 127.0.0.1/32 scram-sha-256",
              "host all clear_user 127.0.0.1/32 password"}});
  postgres->run(
      "create table rows (n int primary key, t text);"
      "create role trust_user login;"
      "set password_encryption = 'md5';"
      "create role md5_user login password 'secret'; create role clear_user login password 'secret';"
      "set password_encryption = 'scram-sha-256';"
      "create role scram_user login password 'secret'");
  return postgres;
}

}  // namespace

Postgres& shared_postgres() {
  if (!shared) shared = start_shared();
  const std::string others =
      " from pg_stat_activity where backend_type = 'client backend' and application_name <> 'test-harness'";
  const auto quiet = [&] { return shared->value("select count(*)" + others) == "0"; };
  if (!eventually(quiet, std::chrono::seconds(5))) {
    // Of a test that failed; the next one is not to suffer.
    shared->run("select pg_terminate_backend(pid)" + others);
    if (!eventually(quiet)) throw std::runtime_error("backends of an earlier test are still there");
  }
  shared->run("truncate rows");
  return *shared;
}

void stop_shared_postgres() { shared.reset(); }

LoginError error_fields(const std::string& body) {
  std::map<char, std::string> fields;
  for (std::size_t at = 0; at < body.size() && body[at] != '\0';) {
    const std::string text = body.c_str() + at + 1;
    fields[body[at]] = text;
    at += text.size() + 2;
  }
  return {fields['S'], fields['C'], fields['M'], fields['D']};
}

std::optional<LoginError> try_login(int port, const std::string& user, const std::string& database) {
  WireClient client(port);
  client.send_startup(3 << 16, {{"user", user}, {"database", database}});
  for (;;) {
    const WireMessage message = client.read();
    if (message.type == 'Z') return std::nullopt;
    if (message.type == 'E') return error_fields(message.body);
    if (message.closed()) throw std::runtime_error("closed without a word");
  }
}

std::vector<int> ask_backend_pids(std::vector<PgConnection>& clients) {
  for (PgConnection& client : clients) client.send("select pg_backend_pid()");
  std::vector<int> pids;
  for (PgConnection& client : clients) {
    const PgResult result = client.finish();
    if (!result.ok()) throw std::runtime_error(result.message());
    pids.push_back(std::stoi(result.value(0, 0)));
  }
  return pids;
}

PgweirOutput run_pgweir(const std::vector<std::string>& arguments) {
  const TempDir dir;
  std::vector<std::string> command{pgweir_binary()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  ChildProcess child(command,
                     {.user = {}, .output_file = dir / "output", .environment = {}, .stop_signal = SIGKILL});
  const std::optional<int> status = child.wait();
  return {status.value_or(-1), read_file(dir / "output")};
}

bool waiting_clients(const PgweirProcess& pgweir, int count) {
  return eventually([&] { return pgweir.pool("cl_waiting") == count; });
}

}  // namespace pgweir
