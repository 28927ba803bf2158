#pragma once
// Advice on the size of a pool, as a value: the figures for programs, the sentences for people.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pool/size_trial.h"
#include "pool/time.h"

namespace pgweir {

enum class Verdict {
  collecting,  // not enough data
  keep,
  grow,
  shrink,
  step,   // grow as far as the evidence reaches, then ask again
  probe,  // try this size to learn how fast the host is there, then ask again
};

// What the size rests on.
enum class DecidedBy {
  none,                 // collecting
  pool,                 // waits for a connection: the smallest size that keeps them within the target
  server,               // PostgreSQL does not get faster with more
  locks,                // the same, and only some statements get slower, or many wait for locks
  idle_in_transaction,  // connections are mostly held by clients that think
  clients,              // there are no more clients that could use it
  limit,                // what other limits leave
  incident,             // all that was measured is not typical
};

enum class Confidence { none, low, medium, high };

const char* to_string(Verdict verdict);
const char* to_string(DecidedBy decided_by);
const char* to_string(Confidence confidence);

struct AdviceFigures {
  Duration window_length{};        // of the window that decided; without pauses
  std::uint64_t transactions = 0;  // in it
  double mean_in_use = 0;
  int p99_in_use = 0;
  double mean_demand = 0;  // as if nobody had waited
  int p99_demand = 0;
  double peakedness = 0;    // of the demand: 1 independent arrivals, more: bursts
  double full_share = 0;    // of the time, all connections in use
  double waited_share = 0;  // of the transactions, a microsecond or more
  Duration p99_wait{};
  std::uint64_t gave_up = 0;
  double idle_in_transaction_share = 0;  // of the time that connections were held
  int highest_in_use = 0;                // ever
  TrialResult trials;
  double predicted_p99_wait = 0;  // seconds, at the recommended size with the headroom; may be infinite
};

// What a size would do with the recorded traffic. Seconds.
struct WhatIf {
  int size = 0;
  double busy_share = 0;    // of the connections
  double waited_share = 0;  // of the transactions
  double p50_wait = 0, p99_wait = 0, p99_response = 0;
  double throughput = 0;         // transactions per second
  double throughput_change = 0;  // against the present size: 0.03 is 3 % more
  double p99_wait_with_headroom = 0;
  double mean_waiting = 0;       // clients
  bool beyond_evidence = false;  // more connections than were ever seen in use
};

// How fast the host is at a number of executing connections.
struct HostSpeed {
  int executing = 0;
  double completions = 0;  // evidence
  double throughput = 0;   // statements per second of the usual mix
  double slowdown = 1;     // of one statement against an idle host
};

struct Advice {
  Verdict verdict = Verdict::collecting;
  DecidedBy decided_by = DecidedBy::none;
  int current = 0;
  // Below it the queue would grow for ever, or throughput be lost; empty when that is not known.
  std::optional<int> minimum;
  std::optional<int> recommended;     // empty only while collecting
  std::optional<int> model;           // before the bounds
  bool model_is_lower_bound = false;  // the full pool hid part of the demand
  std::optional<int>
      ceiling;                // more does not make PostgreSQL faster; empty: not seen up to highest_executing
  int highest_executing = 0;  // on the host, with enough evidence
  std::optional<int> reserve;  // on top, for the worst stretch that was left out
  std::optional<int> warm;     // to keep open: in use for 95 % of the busy time
  // Sizes about as good as `model`.
  int as_good_from = 0, as_good_to = 0;
  // What would do if clients did not sit idle in transactions, without the heaviest statements, and if
  // clients read their answers at once; empty when that does not matter.
  std::optional<int> without_idle, without_heaviest, without_slow_readers;
  Confidence confidence = Confidence::none;
  std::string in_short;              // one line, the verb first
  std::vector<std::string> reasons;  // sentences
  std::vector<std::string> missing;  // evidence that is missing, each a sentence
  std::string window;                // the one that decided, in words
  Instant window_start{};
  bool replayed = false;  // from recorded transactions, not from sums of minutes
  AdviceFigures figures;
  std::vector<WhatIf> what_if;   // by size; empty unless replayed
  std::vector<HostSpeed> speed;  // by executing connections
};

}  // namespace pgweir
