#pragma once
// A load generator for anything that speaks PostgreSQL's protocol: jobs at set times (open loop), or clients
// that do one job after the other (closed loop). One thread. Nothing in it is random: the caller draws the
// schedule, so that the same one can be run against different settings.
//
// Statements go out as simple queries, or by the extended protocol: parsed each time, or once for each
// connection and text.
//
// Open loop: a job is late when its server is, and never waits for an earlier one but for want of a
// connection; its response counts from when it was intended (no coordinated omission).

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace pgweir::load {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

// A statement, and how long the client thinks after its answer.
struct Step {
  std::string sql;
  nanoseconds think{};
};

struct Job {
  nanoseconds at{};  // open loop: after the start, ascending; closed loop: the pause before it
  std::vector<Step> steps;
};

enum class Protocol { simple, extended, prepared };

struct Plan {
  std::string host = "127.0.0.1";  // an address
  int port = 5432;
  std::string user = "postgres", database = "postgres";
  int users = 0;        // not 0: connections take turns at being user_0, user_1 and so on, so many of them
  int connections = 1;  // opened before the start
  bool open_loop = true;
  Protocol protocol = Protocol::simple;
  std::vector<Job> jobs;  // closed loop: taken in order by whichever client is free, again from the first
  nanoseconds length{};   // closed loop: no job begins later
  nanoseconds patience = std::chrono::seconds(30);  // for logging in, and for answers after the end
};

struct JobTimes {
  Clock::time_point intended, sent, done;
  bool failed = false;  // an error, or the connection was lost
  int connection = 0;   // which one it went over
};

struct Result {
  std::string error;  // not empty: it did not run
  Clock::time_point start;
  std::vector<JobTimes> jobs;     // in the order in which they ended
  std::size_t unfinished = 0;     // begun or due, without an answer within the patience
  std::size_t on_time = 0;        // open loop: dispatched within a millisecond of when they were due
  std::size_t no_connection = 0;  // open loop: had to wait for one
};

Result run(const Plan& plan);

// Opens the plan's connections, calls `opened`, and closes them after it has returned. The error, if there
// was one.
std::string hold(const Plan& plan, const std::function<void()>& opened);

}  // namespace pgweir::load
