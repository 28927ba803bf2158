// Runs wire scripts against PostgreSQL itself or through pgweir.

#include <algorithm>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/pgweir_process.h"
#include "tests/support/postgres.h"
#include "tests/wire/player.h"
#include "tests/wire/script.h"

namespace {

constexpr auto usage = "usage: wire --target postgres|pgweir [--workers N] [SCRIPT...]\n";

struct Arguments {
  std::string target;
  int workers = 0;
  std::vector<std::filesystem::path> scripts;
};

bool read_arguments(const std::vector<std::string>& words, Arguments& arguments) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool has_value = i + 1 < words.size();
    if (words[i] == "--target" && has_value) {
      arguments.target = words[++i];
    } else if (words[i] == "--workers" && has_value) {
      arguments.workers = std::stoi(words[++i]);
    } else if (words[i].starts_with("-")) {
      return false;
    } else {
      arguments.scripts.emplace_back(words[i]);
    }
  }
  return arguments.target == "postgres" || arguments.target == "pgweir";
}

std::vector<std::filesystem::path> all_scripts() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(PGWEIR_SOURCE_DIR) + "/tests/wire")) {
    if (entry.path().extension() == ".wire") paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  return paths;
}

int run(const Arguments& arguments) {
  const pgweir::Postgres postgres;
  postgres.run("create table wire_rows (n int primary key, t text)");
  std::unique_ptr<pgweir::PgweirProcess> proxy;
  if (arguments.target == "pgweir") {
    pgweir::PgweirSetup setup(postgres);
    if (arguments.workers > 0) setup.workers = arguments.workers;
    proxy = std::make_unique<pgweir::PgweirProcess>(setup);
  }

  int passed = 0, failed = 0;
  for (const auto& path : arguments.scripts.empty() ? all_scripts() : arguments.scripts) {
    const pgweir::Script script = pgweir::read_script(path);
    if (!(proxy ? script.for_pgweir : script.for_postgres)) continue;
    pgweir::Player player(proxy ? proxy->port() : postgres.port());
    const std::string report = player.play(script);
    if (report.empty()) {
      ++passed;
    } else {
      ++failed;
      std::cout << script.name << ": " << report;
    }
    postgres.run("truncate wire_rows");
  }
  if (failed && proxy) std::cout << "log of pgweir:\n" << proxy->log();
  proxy.reset();
  std::cout << passed << " scripts passed, " << failed << " failed (" << arguments.target << ")\n";
  return failed == 0 && passed > 0 && pgweir::PgweirProcess::bad_ends() == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  try {
    if (!read_arguments({argv + 1, argv + argc}, arguments)) {
      std::cerr << usage;
      return 2;
    }
    return run(arguments);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
