#pragma once
// Which size a pool should have, from what was measured of it. Pure: the same measure and input give the same
// advice. Any thread.
//
// Method: in the busiest and the worst minutes take the demand as if nobody had waited (virtual_demand.h),
// add headroom, and take the smallest size at which at most 1 % wait longer than the target (erlang.h). The
// advice never goes beyond one and a half times what was ever seen in use, nor beyond the number of clients,
// and small differences leave the size as it is. What the measure cannot know lowers the confidence and is
// said.

#include <optional>
#include <string>
#include <vector>

#include "pool/meter.h"
#include "pool/time.h"

namespace pgweir {

struct AdviceInput {
  int pool_size = 0;          // as it is now, of the whole pool
  int reserve_pool_size = 0;  // on top of it
  Duration target_wait = std::chrono::milliseconds(10);
  int connected_clients = 0;  // now; 0 when that is not known
  double headroom = 0.2;      // more traffic that the advice is to stand
  Duration wall_offset{};  // an Instant plus this is the time since 1970; 0: times are said relative to now
};

enum class Verdict {
  collecting,  // not enough data
  keep,
  grow,
  shrink,
  step,                 // grow as far as the evidence reaches, then ask again
  idle_in_transaction,  // connections are mostly held by clients that think
};
enum class Confidence { none, low, medium, high };

const char* to_string(Verdict verdict);
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
  double predicted_p99_wait = 0;  // seconds, at the recommended size with the headroom; may be infinite
};

struct Advice {
  Verdict verdict = Verdict::collecting;
  int current = 0;
  // Below it the queue would grow for ever; empty when clients slow down instead.
  std::optional<int> minimum;
  std::optional<int> recommended;     // empty only while collecting
  std::optional<int> model;           // before the bounds
  bool model_is_lower_bound = false;  // the full pool hid part of the demand
  // What would do if clients did not sit idle in transactions, when that matters.
  std::optional<int> without_idle;
  Confidence confidence = Confidence::none;
  std::string in_short;              // one line, the verb first
  std::vector<std::string> reasons;  // sentences
  std::vector<std::string> missing;  // evidence that is missing, each a sentence
  std::string window;                // the one that decided, in words
  Instant window_start{};
  AdviceFigures figures;
};

Advice recommend(const PoolMeasure& measure, const AdviceInput& input);

}  // namespace pgweir
