// Runs wire scripts against PostgreSQL itself or through pgweir.

#include <algorithm>
#include <exception>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <set>
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

// The ports that scripts are played against.
class Targets {
 public:
  Targets(const Arguments& arguments, const pgweir::Postgres& postgres)
      : arguments_(arguments), postgres_(postgres) {}

  // PostgreSQL itself, or a pgweir; with pools of `servers`, 0: as many as there are by default.
  int port(int servers) {
    if (arguments_.target == "postgres") return postgres_.port();
    auto& proxy = proxies_[servers];
    if (!proxy) {
      pgweir::PgweirSetup setup(postgres_);
      if (arguments_.workers > 0) setup.workers = arguments_.workers;
      if (servers > 0) setup.pool = "default_pool_size = " + std::to_string(servers) + "\n";
      proxy = std::make_unique<pgweir::PgweirProcess>(setup);
    }
    return proxy->port();
  }
  void print_logs() const {
    for (const auto& [servers, proxy] : proxies_) {
      std::cout << "log of pgweir with " << servers << " servers:\n" << proxy->log();
    }
  }

 private:
  const Arguments& arguments_;
  const pgweir::Postgres& postgres_;
  std::map<int, std::unique_ptr<pgweir::PgweirProcess>> proxies_;
};

int run(const Arguments& arguments) {
  const pgweir::Postgres postgres;
  postgres.run("create table wire_rows (n int primary key, t text); create role wire_role");
  int passed = 0, failed = 0;
  {
    Targets targets(arguments, postgres);
    for (const auto& path : arguments.scripts.empty() ? all_scripts() : arguments.scripts) {
      const pgweir::Script script = pgweir::read_script(path);
      if (!(arguments.target == "pgweir" ? script.for_pgweir : script.for_postgres)) continue;
      // Where servers are few and where there are enough, which workers share, the replies are the same.
      std::set<int> pools{script.servers};
      if (arguments.target == "pgweir") pools.insert(0);
      for (const int servers : pools) {
        pgweir::Player player(targets.port(servers));
        const std::string report = player.play(script);
        if (report.empty()) {
          ++passed;
        } else {
          ++failed;
          std::cout << script.name << ": " << report;
        }
        postgres.run("truncate wire_rows");
      }
    }
    if (failed) targets.print_logs();
  }
  std::cout << passed << " runs of scripts passed, " << failed << " failed (" << arguments.target << ")\n";
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
