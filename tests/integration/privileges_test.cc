// Who may do what on the console: each command of the table for each kind of user, through the real process.
// The matrix is made from the table, so a new command is in it, or the test says what it needs to know.

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <stdexcept>

#include "admin/command_table.h"
#include "tests/integration/servers.h"
#include "tests/support/eventually.h"

using namespace pgweir;

namespace {

// For each kind of argument one that the command takes. Optional ones are left out.
const std::map<Bytes, std::string> sample_arguments{
    {"", ""},
    {"database", "shop"},
    {"id", "1"},
    {"pool", "postgres/postgres"},
    {"pool [FORCE]", "postgres/postgres FORCE"},
    {"setting = value", "default_pool_size = 7"},
    {"parameter = value", "extra_float_digits = 3"},
    {"parameter", "client_encoding"},
    {"value", "1"},
    {"name | ALL", "ALL"},
    {"name | *", "*"},
    {"ALL | PLANS | SEQUENCES | TEMP", "ALL"},
};

std::string sample(const Command& command, Bytes words) {
  if (command.arguments.starts_with('[')) return std::string(words);
  const auto found = sample_arguments.find(command.arguments);
  if (found == sample_arguments.end())
    throw std::runtime_error("give sample_arguments an example for: " + command_text(command));
  return std::string(words) + (found->second.empty() ? "" : " ") + found->second;
}

std::vector<std::string> samples(const Command& command) {
  std::vector<std::string> all{sample(command, command.words)};
  if (!command.alias.empty()) all.push_back(sample(command, command.alias));
  return all;
}

// Whether it may be done to a process that others still need.
bool ends_process(ConsoleAction action) {
  switch (action) {
    case ConsoleAction::shutdown:
    case ConsoleAction::shutdown_wait_for_clients:
    case ConsoleAction::shutdown_wait_for_servers:
      return true;
    case ConsoleAction::none:
    case ConsoleAction::reload:
    case ConsoleAction::pause:
    case ConsoleAction::resume:
    case ConsoleAction::suspend:
    case ConsoleAction::disable:
    case ConsoleAction::enable:
    case ConsoleAction::reconnect:
    case ConsoleAction::kill:
    case ConsoleAction::kill_client:
    case ConsoleAction::wait_close:
    case ConsoleAction::set:
    case ConsoleAction::close:
    case ConsoleAction::resize:
      return false;
  }
  return true;
}

PgweirSetup setup() {
  const Postgres& postgres = shared_postgres();
  PgweirSetup it(postgres);
  it.more = "[databases.shop]\nhost = \"127.0.0.1\"\nport = " + std::to_string(postgres.port()) +
            "\ndbname = \"postgres\"\n";
  return it;
}

PgConnection monitor(const PgweirProcess& pgweir) {
  return pgweir.connect("dbname=pgweir user=monitor password=monitor");
}

std::string rows_of(PgConnection& console, const std::string& show, const std::vector<std::string>& columns) {
  const PgResult rows = console.must(show);
  std::string text;
  for (int row = 0; row < rows.rows(); ++row) {
    for (const std::string& column : columns) text += rows.value(row, column) + " ";
    text += "\n";
  }
  return text;
}

// All that a command can change: settings, gates, sizes, the application's connections, what was advised.
std::string everything(PgConnection& console) {
  const std::string app = " WHERE application_name = 'app'";
  return rows_of(console, "SHOW CONFIG", {"key", "value"}) +
         rows_of(console, "SHOW STATE", {"key", "value"}) +
         rows_of(console, "SHOW DATABASES", {"name", "pool_size", "paused", "disabled"}) +
         rows_of(console, "SHOW CLIENTS" + app, {"id", "state", "close_needed"}) +
         rows_of(console, "SHOW SERVERS" + app, {"id", "close_needed"}) +
         std::to_string(console.must("SHOW ADVICE_HISTORY").rows());
}

}  // namespace

TEST_CASE("privileges: what stats_users may not do is refused in each form, and nothing happens") {
  PgweirProcess pgweir(setup());
  PgConnection app = pgweir.connect("application_name=app");
  app.must("begin; select 1");
  PgConnection admin = pgweir.console(), reader = monitor(pgweir);
  for (const std::string show : {"SHOW CLIENTS", "SHOW SERVERS"})
    REQUIRE(admin.must(show + " WHERE application_name = 'app'").rows() == 1);
  const std::string before = everything(admin);
  int refused = 0;
  for (const Command& command : command_table()) {
    if (command.privilege != ConsolePrivilege::admin) continue;
    for (const std::string& text : samples(command)) {
      CAPTURE(text);
      std::string lower = text;
      std::transform(lower.begin(), lower.end(), lower.begin(),
                     [](unsigned char c) { return std::tolower(c); });
      for (const std::string& form : {text, "/* ping */ " + lower + " ;", text + " nonsense",
                                      "SHOW VERSION; " + text, text + "; " + text})
        CHECK(reader.failure(form) == "42501");
      CHECK(reader.exec_params(text, {}).sqlstate() == "42501");
      CHECK(PQsendPrepare(reader.raw(), "", text.c_str(), 0, nullptr) == 1);
      reader.finish();
      CHECK(PQsendQueryPrepared(reader.raw(), "", 0, nullptr, nullptr, nullptr, 0) == 1);
      CHECK_FALSE(reader.finish().ok());
      CHECK(everything(admin) == before);
      ++refused;
    }
  }
  CHECK(refused > 15);
  CHECK(reader.must("SHOW VERSION").rows() == 1);
  app.must("commit");
  CHECK(pgweir.connect().value("select 'served'") == "served");
}

TEST_CASE("privileges: what stats_users may do is done, for administrators as well") {
  const PgweirProcess pgweir(setup());
  const PgConnection app = pgweir.connect("application_name=app");
  PgConnection admin = pgweir.console(), reader = monitor(pgweir);
  const std::string before = everything(admin);
  for (const Command& command : command_table()) {
    if (command.privilege != ConsolePrivilege::stats) continue;
    CHECK(command.action == ConsoleAction::none);
    for (const std::string& text : samples(command)) {
      CAPTURE(text);
      for (PgConnection* const console : {&admin, &reader}) {
        CHECK(console->exec(text).ok());
        CHECK(console->exec_params(text, {}).ok());
      }
    }
  }
  CHECK(everything(admin) == before);
}

TEST_CASE("privileges: what administrators may do is done, or fails for a reason of its own") {
  const PgweirProcess pgweir(setup());
  PgConnection admin = pgweir.console();
  int tried = 0;
  for (const Command& command : command_table()) {
    if (command.privilege != ConsolePrivilege::admin || ends_process(command.action)) continue;
    CAPTURE(command.words);
    PgConnection app = pgweir.connect("application_name=app");
    app.must("select 1");
    std::string text = sample(command, command.words);
    if (command.action == ConsoleAction::resume) admin.must("PAUSE");
    if (command.action == ConsoleAction::enable) admin.must("DISABLE shop");
    if (command.action == ConsoleAction::kill_client)
      text = "KILL_CLIENT " +
             admin.must("SHOW CLIENTS WHERE application_name = 'app'").value(0, std::string("id"));
    const PgResult result = admin.exec(text);
    // No advice yet for a pool that is a second old.
    const bool fails = command.action == ConsoleAction::resize;
    CHECK(result.ok() == !fails);
    CHECK(result.sqlstate() != "42501");
    if (command.action == ConsoleAction::kill || command.action == ConsoleAction::kill_client)
      CHECK_FALSE(app.exec("select 1").ok());
    // As it was, for the next one.
    admin.exec("RESUME");
    admin.exec("ENABLE shop");
    ++tried;
  }
  CHECK(tried > 10);
  CHECK(admin.must("SHOW CONFIG WHERE key = 'default_pool_size'").value(0, std::string("value")) == "7");
}

TEST_CASE(
    "privileges: who is in neither list does not reach the console, and elsewhere its words are only SQL") {
  const PgweirProcess pgweir(setup());
  PgConnection admin = pgweir.console();
  for (const std::string database : {"pgweir", "pgbouncer"}) {
    for (const std::string user : {"postgres", "trust_user", "pgbouncer"}) {
      CAPTURE(user);
      const std::optional<LoginError> error = try_login(pgweir.port(), user, database);
      REQUIRE(error);
      CHECK(error->sqlstate.starts_with("28"));
    }
  }
  PgConnection app = pgweir.connect("application_name=app");
  app.must("begin; savepoint a");
  const std::string before = everything(admin);
  for (const Command& command : command_table()) {
    if (command.for_drivers) continue;  // is SQL
    for (const std::string& text : samples(command)) {
      CAPTURE(text);
      // PostgreSQL's words: a syntax error, or no such parameter.
      const std::string sqlstate = app.failure(text);
      CHECK((sqlstate == "42601" || sqlstate == "42704"));
      app.must("rollback to a");
      CHECK(everything(admin) == before);
    }
  }
}

TEST_CASE("privileges: a RELOAD changes the rights of those who are on the console already") {
  const PgweirProcess pgweir(setup());
  const std::string config = read_file(pgweir.config_file());
  const auto with_users = [&](const std::string& admins, const std::string& readers) {
    std::string text = config;
    const std::string lists = "admin_users = [\"dba\"]\nstats_users = [\"monitor\"]\n";
    const std::size_t at = text.find(lists);
    REQUIRE(at != std::string::npos);
    text.replace(at, lists.size(), "admin_users = [" + admins + "]\nstats_users = [" + readers + "]\n");
    pgweir.rewrite(text);
  };
  PgConnection admin = pgweir.console(), reader = monitor(pgweir);
  admin.must("SHOW FDS");
  CHECK(reader.failure("SHOW FDS") == "42501");

  with_users("\"monitor\"", "\"dba\"");
  admin.must("RELOAD");
  // On another worker it counts a moment later.
  CHECK(eventually([&] { return reader.exec("SHOW FDS").ok(); }));
  CHECK(eventually([&] { return admin.exec("SHOW FDS").sqlstate() == "42501"; }));
  CHECK(admin.failure("PAUSE") == "42501");
  CHECK(admin.must("SHOW VERSION").rows() == 1);

  with_users("\"monitor\"", "");
  reader.must("RELOAD");
  PgResult last(nullptr);
  CHECK(eventually([&] { return !(last = admin.exec("SHOW VERSION")).ok(); }));
  CHECK(last.sqlstate() == "42501");
  CHECK(last.severity() == "FATAL");
  CHECK_FALSE(admin.usable());
  CHECK(reader.must("SHOW FDS").columns() == 15);
}
