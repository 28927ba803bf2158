// Runs a command with a private PostgreSQL, and pgweir in front of it unless `--target postgres` says
// otherwise. The command finds them by libpq's environment variables, as user `app` with a password in
// database `app`.

#include <signal.h>

#include <charconv>
#include <chrono>
#include <exception>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/free_port.h"
#include "tests/support/pgweir_process.h"

namespace pgweir {
namespace {

constexpr auto usage =
    "usage: with_servers [--target postgres|pgweir] [--workers N] [--pool-size N] [--seconds N] COMMAND...\n";

struct Options {
  bool through_pgweir = true;
  int workers = 0;  // 0: as the environment says
  int pool_size = 2;
  int seconds = 600;  // that the command may take
  std::vector<std::string> command;
};

bool number(std::string_view text, int& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value > 0;
}

bool parse(const std::vector<std::string>& words, Options& options) {
  std::size_t i = 0;
  for (; i + 1 < words.size() && words[i].starts_with("--"); i += 2) {
    const std::string& value = words[i + 1];
    if (words[i] == "--target" && (value == "postgres" || value == "pgweir")) {
      options.through_pgweir = value == "pgweir";
      continue;
    }
    int* const wanted = words[i] == "--workers"     ? &options.workers
                        : words[i] == "--pool-size" ? &options.pool_size
                        : words[i] == "--seconds"   ? &options.seconds
                                                    : nullptr;
    if (!wanted || !number(value, *wanted)) return false;
  }
  options.command.assign(words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
  return !options.command.empty() && !options.command[0].starts_with("--");
}

PgweirSetup setup_for(const Postgres& postgres, const Options& options, int metrics_port) {
  PgweirSetup setup(postgres);
  if (options.workers > 0) setup.workers = options.workers;
  setup.auth_type = "scram-sha-256";
  setup.pool = "default_pool_size = " + std::to_string(options.pool_size) + "\n";
  setup.more = "[users.app]\npassword = \"secret\"\n[metrics]\nport = " + std::to_string(metrics_port) + "\n";
  return setup;
}

std::string complaints(const std::string& log) {
  std::istringstream lines(log);
  std::string found;
  for (std::string line; std::getline(lines, line);) {
    if (line.find(" INFO ") == std::string::npos) found += line + "\n";
  }
  return found;
}

int run(const Options& options) {
  // ORMs have pools of their own: 20 clients may bring 200 connections when there is no pgweir.
  const Postgres postgres({.max_connections = 300,
                           .configuration = {"max_prepared_transactions = 50"},
                           .hba = {"host all app 127.0.0.1/32 scram-sha-256"}});
  postgres.run("create role app login password 'secret'");
  postgres.run("create database app owner app");
  std::unique_ptr<PgweirProcess> pgweir;
  const int metrics_port = free_port();
  if (options.through_pgweir)
    pgweir = std::make_unique<PgweirProcess>(setup_for(postgres, options, metrics_port));

  ChildProcess command(options.command,
                       {.user = {},
                        .output_file = {},
                        .own_output = false,
                        .environment = {"PGHOST=127.0.0.1",
                                        "PGPORT=" + std::to_string(pgweir ? pgweir->port() : postgres.port()),
                                        "PGUSER=app", "PGPASSWORD=secret", "PGDATABASE=app",
                                        std::string("PGWEIR_TARGET=") + (pgweir ? "pgweir" : "postgres"),
                                        "PGWEIR_METRICS_PORT=" + std::to_string(metrics_port),
                                        "PGWEIR_POOL_SIZE=" + std::to_string(options.pool_size)},
                        .stop_signal = SIGKILL});
  const auto status = command.wait(std::chrono::seconds(options.seconds));
  if (!status) std::cerr << "with_servers: not done after " << options.seconds << " seconds\n";
  if (status == 127) std::cerr << "with_servers: cannot run " << options.command[0] << "\n";
  if (status != 0 && pgweir)
    std::cerr << "the log of pgweir, warnings and errors:\n" << complaints(pgweir->log());
  return status.value_or(124);
}

}  // namespace
}  // namespace pgweir

int main(int argc, char** argv) {
  pgweir::Options options;
  if (!pgweir::parse({argv + 1, argv + argc}, options)) {
    std::cerr << pgweir::usage;
    return 2;
  }
  try {
    const int status = pgweir::run(options);
    return status != 0 ? status : pgweir::PgweirProcess::bad_ends() > 0;
  } catch (const std::exception& error) {
    std::cerr << "with_servers: " << error.what() << "\n";
    return 1;
  }
}
