// pgweir-bench: plays a schedule against whatever speaks PostgreSQL's protocol, and prints what its clients
// met as JSON.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "bench/load/load.h"

using namespace pgweir;
using load::nanoseconds;

namespace {

constexpr auto schedule_help =
    "A file with a job in each line: microseconds, then what it does, separated by tabs: SQL, or `think N` "
    "for\n"
    "N microseconds of the client's. Open loop: the microseconds are when, after the start. Closed loop: "
    "the\n"
    "pause before.";

bool parse_job(const std::string& line, load::Job& job) {
  std::vector<std::string> fields;
  for (std::size_t at = 0; at <= line.size();) {
    const std::size_t end = std::min(line.find('\t', at), line.size());
    fields.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  try {
    job.at = std::chrono::microseconds(std::stoll(fields[0]));
    for (std::size_t i = 1; i < fields.size(); ++i) {
      if (!fields[i].starts_with("think ")) {
        job.steps.push_back({fields[i], {}});
      } else if (job.steps.empty()) {
        return false;
      } else {
        job.steps.back().think += std::chrono::microseconds(std::stoll(fields[i].substr(6)));
      }
    }
  } catch (const std::exception&) {
    return false;
  }
  return !job.steps.empty();
}

double quantile_ms(std::vector<double>& values, double q) {
  if (values.empty()) return 0;
  const auto index = static_cast<std::size_t>(q * static_cast<double>(values.size()));
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(std::min(index, values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at * 1e3;
}

// Jain's index of how even the shares are: 1 for equal ones, 1/n when one has all.
double fairness(const std::vector<double>& shares) {
  double sum = 0, squares = 0;
  for (const double share : shares) {
    sum += share;
    squares += share * share;
  }
  return squares == 0 ? 1 : sum * sum / (static_cast<double>(shares.size()) * squares);
}

double seconds(load::Clock::duration time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("A load generator for PostgreSQL and what stands before it");
  load::Plan plan;
  std::string file, sql;
  double warm_up = 0, length = 10;
  int clients = 0, idle = 0;
  plan.connections = 400;
  app.add_option("--host", plan.host, "An IPv4 address")->capture_default_str();
  app.add_option("--port", plan.port)->capture_default_str();
  app.add_option("--user", plan.user)->capture_default_str();
  app.add_option("--users", plan.users, "Connections take turns at being USER_0, USER_1, ...: so many");
  app.add_option("--database", plan.database)->capture_default_str();
  auto* const what = app.add_option_group("work");
  what->add_option("--schedule", file, schedule_help);
  what->add_option("--sql", sql, "In place of a schedule: this statement, again and again");
  what->add_option("--idle", idle,
                   "Opens so many connections, says `ready`, and holds them until its input ends");
  what->require_option(1);
  app.add_option("--protocol", plan.protocol, "How statements are sent")
      ->transform(CLI::CheckedTransformer(std::map<std::string, load::Protocol>{
          {"simple", load::Protocol::simple},
          {"extended", load::Protocol::extended},
          {"prepared", load::Protocol::prepared},
      }));
  app.add_option("--connections", plan.connections, "Open loop: opened before the start")
      ->capture_default_str();
  app.add_option("--clients", clients, "Closed loop: so many, each does one job after the other");
  app.add_option("--seconds", length, "Closed loop: no job begins later")->capture_default_str();
  app.add_option("--warm-up", warm_up, "Seconds that are not counted")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  if (idle > 0) {
    plan.connections = idle;
    plan.patience = std::chrono::seconds(120);
    const std::string error = load::hold(plan, [] {
      std::cout << "ready" << std::endl;
      std::cin.ignore(std::numeric_limits<std::streamsize>::max());
    });
    if (error.empty()) return 0;
    std::cerr << error << "\n";
    return 1;
  }

  if (!sql.empty()) plan.jobs.push_back({{}, {{sql, {}}}});
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    load::Job job;
    if (!parse_job(line, job)) {
      std::cerr << file << ":" << plan.jobs.size() + 1 << ": not a job\n";
      return 2;
    }
    plan.jobs.push_back(std::move(job));
  }
  plan.open_loop = clients == 0;
  if (clients > 0) plan.connections = clients;
  plan.length = nanoseconds(std::llround(length * 1e9));

  const load::Result result = load::run(plan);
  if (!result.error.empty()) {
    std::cerr << result.error << "\n";
    return 1;
  }
  const double end = plan.open_loop && !plan.jobs.empty() ? seconds(plan.jobs.back().at) : length;
  std::vector<double> responses, by_client(static_cast<std::size_t>(plan.connections));
  std::size_t failed = 0, done = 0;
  for (const load::JobTimes& job : result.jobs) {
    const double intended = seconds(job.intended - result.start), at = seconds(job.done - result.start);
    if (at >= warm_up && at <= end && !job.failed) {
      ++done;
      ++by_client[static_cast<std::size_t>(job.connection)];
    }
    if (intended < warm_up) continue;
    failed += job.failed ? 1 : 0;
    responses.push_back(seconds(job.done - job.intended));
  }
  // What was never answered took longer than all the others.
  const double lost_response = seconds(plan.patience);
  responses.insert(responses.end(), result.unfinished, lost_response);
  const double on_time =
      plan.open_loop ? static_cast<double>(result.on_time) / static_cast<double>(plan.jobs.size()) : 1;
  const double p50 = quantile_ms(responses, 0.5), p90 = quantile_ms(responses, 0.9),
               p99 = quantile_ms(responses, 0.99), most = quantile_ms(responses, 1);
  std::printf(
      "{\"jobs\": %zu, \"all_jobs\": %zu, \"failed\": %zu, \"unfinished\": %zu, \"throughput\": %.3f, "
      "\"p50_ms\": %.3f, "
      "\"p90_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, \"fairness\": %.5f, \"on_time\": %.5f, "
      "\"no_connection\": %zu}\n",
      responses.size(), result.jobs.size(), failed, result.unfinished,
      static_cast<double>(done) / std::max(end - warm_up, 1e-9), p50, p90, p99, most, fairness(by_client),
      on_time, result.no_connection);
  return 0;
}
