// sim: runs the proxy in a simulated world, once per seed, and checks what must hold. See README.md.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "proxy/session/plant.h"
#include "tests/sim/world.h"

#ifdef PGWEIR_PLANT
int pgweir_planted_bug = 0;
#endif

namespace {

using namespace pgweir;
using namespace pgweir::sim;

struct Options {
  std::uint64_t from = 1, to = 300;
  ScenarioWish wish;
  bool verbose = false;
  std::string planted;
};

constexpr const char* usage =
    "usage: sim [--seed N | --seeds FROM..TO] [--until SECONDS] [--workers W] [--direct] [--verbose] "
    "[--planted NAME|all]\n"
    "  --seed, --seeds  which runs; 1..300 without\n"
    "  --until          when faults end, in simulated seconds; drawn without\n"
    "  --workers        how many workers; drawn without\n"
    "  --direct         clients talk to the simulated PostgreSQL without a proxy: checks the model\n"
    "  --verbose        prints everything that happens\n"
    "  --planted        (sim_planted only) passes if the planted bug is found within the seeds\n";

// For the crash handler: the seed that runs now.
volatile std::uint64_t running_seed = 0;

void on_crash(int signal) {
  char line[64];
  const int length =
      std::snprintf(line, sizeof line, "seed %llu: crash\n", static_cast<unsigned long long>(running_seed));
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line, static_cast<std::size_t>(length));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    const bool flag = name == "--direct" || name == "--verbose";
    if (!flag && i + 1 >= argc) return false;
    const char* const value = flag ? "" : argv[++i];
    char* end = nullptr;
    if (name == "--seed") {
      options.from = options.to = std::strtoull(value, nullptr, 10);
    } else if (name == "--seeds") {
      options.from = std::strtoull(value, &end, 10);
      if (std::strncmp(end, "..", 2) != 0) return false;
      options.to = std::strtoull(end + 2, nullptr, 10);
    } else if (name == "--until") {
      options.wish.until = std::chrono::seconds(std::strtoull(value, nullptr, 10));
    } else if (name == "--workers") {
      options.wish.workers = std::atoi(value);
    } else if (name == "--planted") {
      options.planted = value;
    } else if (name == "--direct") {
      options.wish.direct = true;
    } else if (name == "--verbose") {
      options.verbose = true;
    } else {
      return false;
    }
  }
  return true;
}

void add(Checks::Counts& sum, const Checks::Counts& one) {
  sum.sessions += one.sessions;
  sum.transactions += one.transactions;
  sum.rows += one.rows;
  sum.refusals += one.refusals;
  sum.cancels += one.cancels;
  sum.faults += one.faults;
  sum.lost_sessions += one.lost_sessions;
  sum.units += one.units;
  sum.logins_refused += one.logins_refused;
  sum.servers_moved += one.servers_moved;
  sum.notifications += one.notifications;
  sum.reloads += one.reloads;
  sum.limits += one.limits;
  sum.limit_ends += one.limit_ends;
}

bool run_seed(std::uint64_t seed, const Options& options, RunResult& result) {
  ScenarioWish wish = options.wish;
  wish.seed = seed;
  const Scenario scenario = draw_scenario(wish);
  if (options.verbose)
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), describe(scenario).c_str());
  SimWorld world(scenario, options.verbose);
  result = world.run();
  if (result.good) return true;
  std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), describe(scenario).c_str());
  world.print(stdout);
  std::printf("seed %llu FAILED after %.3f simulated seconds: %s\n", static_cast<unsigned long long>(seed),
              static_cast<double>(result.simulated.count()) / 1e9, result.failure.c_str());
  return false;
}

int run_seeds(const Options& options) {
  // A part of the seeds runs twice, and must do the same both times (I10).
  constexpr std::uint64_t every = 16;
  std::printf("seeds %llu..%llu%s\n", static_cast<unsigned long long>(options.from),
              static_cast<unsigned long long>(options.to), options.wish.direct ? ", without a proxy" : "");
  std::fflush(stdout);
  Checks::Counts sum;
  std::uint64_t events = 0;
  for (std::uint64_t seed = options.from; seed <= options.to; ++seed) {
    running_seed = seed;
    RunResult result;
    if (!run_seed(seed, options, result)) return EXIT_FAILURE;
    add(sum, result.counts);
    events += result.events;
    if (seed % every != 0 || options.verbose) continue;
    RunResult again;
    if (!run_seed(seed, options, again)) return EXIT_FAILURE;
    if (again.hash != result.hash || again.events != result.events) {
      std::printf("seed %llu FAILED: I10: two runs differ\n", static_cast<unsigned long long>(seed));
      return EXIT_FAILURE;
    }
  }
  const auto n = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf(
      "%llu runs: %llu events, %llu sessions, %llu units of work, %llu transactions with rows, %llu rows\n",
      n(options.to - options.from + 1), n(events), n(sum.sessions), n(sum.units), n(sum.transactions),
      n(sum.rows));
  std::printf(
      "%llu faults, %llu cancels that hit, %llu refusals, %llu logins refused, %llu sessions lost, "
      "%llu reloads, %llu servers moved between workers, %llu notifications\n%llu statements and %llu sessions "
      "past a time limit\n",
      n(sum.faults), n(sum.cancels), n(sum.refusals), n(sum.logins_refused), n(sum.lost_sessions),
      n(sum.reloads), n(sum.servers_moved), n(sum.notifications), n(sum.limits), n(sum.limit_ends));
  return EXIT_SUCCESS;
}

#ifdef PGWEIR_PLANT
// A planted bug may also end the process, by an invariant or a sanitizer: so the seeds run in a child.
bool finds(Bug bug, const char* name, Options options) {
  std::printf("%s:\n", name);
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    pgweir_planted_bug = static_cast<int>(bug);
    options.planted.clear();
    std::exit(run_seeds(options));
  }
  int status = 0;
  waitpid(child, &status, 0);
  const bool found = !WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS;
  std::printf("%s: %s\n\n", name, found ? "found" : "not found");
  return found;
}

int run_planted(const Options& options) {
  // Without a bug nothing must be found, or what is found says nothing about the bugs.
  Options few = options;
  few.to = std::min(options.to, options.from + 49);
  if (finds(Bug::none, "no bug", few)) return EXIT_FAILURE;
  bool all = true, any = false;
  for (const PlantedBug& bug : planted_bugs) {
    if (options.planted != "all" && options.planted != bug.name) continue;
    any = true;
    all = finds(bug.bug, bug.name, options) && all;
  }
  if (!any) std::fprintf(stderr, "no bug of the name %s can be planted\n", options.planted.c_str());
  return any && all ? EXIT_SUCCESS : EXIT_FAILURE;
}
#endif

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::fputs(usage, stderr);
    return 2;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) std::signal(signal, on_crash);
  if (options.planted.empty()) return run_seeds(options);
#ifdef PGWEIR_PLANT
  return run_planted(options);
#else
  std::fputs("this binary has no planted bugs: use sim_planted\n", stderr);
  return 2;
#endif
}
