// Many clients on few servers, and every answer must be the one that its asker has a right to: with the mark
// of the client and of the request, with the client's settings, in order, none lost and none foreign. Clients
// come and go, also in the middle of a message; statements are cancelled; servers are killed.

#include <algorithm>
#include <chrono>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/pgweir_process.h"
#include "tests/traffic/traffic_client.h"

namespace {

constexpr auto usage =
    "usage: traffic [--queries N] [--clients N] [--servers N] [--workers N] [--kill-every N] [--seed N]\n"
    "               [--direct]\n"
    "N of --kill-every is a number of queries, 0 for no kills. --direct: against PostgreSQL itself, where\n"
    "each client has a server of its own.\n";

struct Arguments {
  std::uint64_t queries = 50'000, clients = 24, servers = 4, workers = 1, kill_every = 2'000, seed = 1;
  bool direct = false;
};

bool read_arguments(const std::vector<std::string>& words, Arguments& arguments) {
  const std::vector<std::pair<std::string, std::uint64_t*>> numbers{
      {"--queries", &arguments.queries},       {"--clients", &arguments.clients},
      {"--servers", &arguments.servers},       {"--workers", &arguments.workers},
      {"--kill-every", &arguments.kill_every}, {"--seed", &arguments.seed}};
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--direct") {
      arguments.direct = true;
      continue;
    }
    const auto known = std::find_if(numbers.begin(), numbers.end(),
                                    [&](const auto& number) { return number.first == words[i]; });
    if (known == numbers.end() || i + 1 == words.size()) return false;
    *known->second = std::stoull(words[++i]);
  }
  return true;
}

std::unique_ptr<pgweir::PgweirProcess> start_pgweir(const Arguments& arguments,
                                                    const pgweir::Postgres& postgres) {
  pgweir::PgweirSetup setup(postgres);
  setup.workers = static_cast<int>(arguments.workers);
  // Fewer prepared statements than the clients have together.
  setup.pool =
      "default_pool_size = " + std::to_string(arguments.servers) + "\nmax_prepared_statements = 20\n";
  return std::make_unique<pgweir::PgweirProcess>(setup);
}

// What is wrong when all clients have left.
std::string check_rest(pgweir::Traffic& traffic, const pgweir::Postgres& postgres,
                       const pgweir::PgweirProcess* proxy) {
  const pgweir::Traffic::Counts& counts = traffic.counts();
  if (counts.lost > counts.killed) return "more clients have lost their server than servers were killed";
  if (proxy != nullptr) {
    const auto at_rest = [&] {
      return proxy->pool("sv_active") == 0 && proxy->pool("cl_active") == 0 && proxy->pool("cl_waiting") == 0;
    };
    if (!pgweir::eventually(at_rest)) return "servers or clients are left in use";
  }
  const auto idle = [&] {
    return postgres.value(
               "select count(*) from pg_stat_activity where backend_type = 'client backend'"
               " and state <> 'idle' and application_name <> 'test-harness'") == "0";
  };
  if (!pgweir::eventually(idle)) return "statements or transactions are left open on servers";
  return traffic.check_rows();
}

int run(const Arguments& arguments) {
  const pgweir::Postgres postgres(
      {.max_connections = static_cast<int>(arguments.clients) + 30, .configuration = {}, .hba = {}});
  const auto proxy = arguments.direct ? nullptr : start_pgweir(arguments, postgres);
  pgweir::Traffic traffic(postgres, proxy ? proxy->port() : postgres.port(), arguments.queries,
                          arguments.kill_every);
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < arguments.clients; ++i) {
    threads.emplace_back([&traffic, i, seed = arguments.seed * 1000 + i] {
      pgweir::TrafficClient(traffic, static_cast<int>(i), seed).run();
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;

  if (!traffic.failed()) {
    if (const std::string wrong = check_rest(traffic, postgres, proxy.get()); !wrong.empty())
      traffic.fail(wrong);
  }
  const pgweir::Traffic::Counts& counts = traffic.counts();
  std::cout << counts.queries << " queries and " << counts.replies << " replies in " << seconds.count()
            << " s, " << counts.connections << " connections, " << counts.vanished << " vanished, "
            << counts.cancels << " cancelled, " << counts.killed << " servers killed, " << counts.lost
            << " clients lost with them\n";
  if (!traffic.failed()) return pgweir::PgweirProcess::bad_ends() == 0 ? 0 : 1;
  std::cout << "FAILED: " << traffic.failure() << "\n";
  if (proxy) {
    const std::string log = proxy->log();
    std::cout << "the end of the log of pgweir:\n"
              << log.substr(log.size() - std::min<std::size_t>(log.size(), 4000));
  }
  return 1;
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
