#pragma once
// Everything that is measured of one shard of one pool. Belongs to the shard's worker; the time comes in with
// every call and never goes back. The hot path allocates only when a gauge reaches a level it never had, and
// once, when the first client waits (see virtual_demand.h).
//
// The session layer tells the life of each use of a server, from the moment a client needs one until the
// server is free again, by these calls; the Use itself is kept by the caller, with its client:
//
//     arrived ( queued )  served  linked  { query_started  query_finished }  released
//     arrived ( queued )  abandoned
//
// A use is held from `served` to `released`; held = linking + executing + idle in transaction + the rest
// (rollback and reset before the server is free, or a client that keeps its server between transactions).
// Durations never include the wait, except those named so. Calls that do not fit the state of the Use are
// ignored, so that no gauge can go astray.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "pool/histogram.h"
#include "pool/level_series.h"
#include "pool/levels.h"
#include "pool/pulse.h"
#include "pool/size_trial.h"
#include "pool/time.h"
#include "pool/trace_recorder.h"
#include "pool/use.h"
#include "pool/virtual_demand.h"
#include "pool/windows.h"

namespace pgweir {

class HostMeter;

// Counters since the start, as PgBouncer's SHOW STATS names them (its total_ columns). Times and the three
// counts above them are the meter's; the session layer adds to the rest.
struct PoolTotals {
  std::uint64_t server_assignment_count = 0;
  std::uint64_t xact_count = 0;
  std::uint64_t query_count = 0;
  Duration xact_time{}, query_time{};
  Duration wait_time{};                  // of clients that were served
  std::uint64_t received = 0, sent = 0;  // bytes from and to clients
  std::uint64_t client_parse_count = 0, server_parse_count = 0, bind_count = 0;
  std::uint64_t client_login_count = 0;

  void add(const PoolTotals& other);
};

// Little's law as a self-check: both sides are the connection-time spent in use, once by the gauge, once by
// the uses.
struct LittleCheck {
  Duration by_level{};
  Duration by_holding{};  // of those finished and those running
  bool holds_within(double share) const;
};

// All of it, as a value that can be mailed.
struct PoolMeasure {
  Instant since{}, now{};
  PoolTotals totals;
  std::uint64_t arrivals = 0, completions = 0;
  std::array<WaitTotal, wait_reasons> waits_by_reason{};
  std::array<std::uint64_t, give_ups> gave_up{};

  Histogram waits;            // of clients that were served; zeros included
  Histogram abandoned_waits;  // of clients that gave up: what they waited until then
  Histogram links;            // served -> the server can take the client's messages
  Histogram queries;          // forwarded -> ReadyForQuery; in a pipeline from the ReadyForQuery before
  Histogram transactions;     // linked -> ReadyForQuery outside a transaction
  Histogram holdings;         // served -> released

  LevelTimes held, executing, idle_in_transaction, waiting, open;

  std::vector<WindowRef> windows;  // closed, oldest first
  MinuteWindow current;            // the open one
  LittleCheck little;
  int shards = 1;  // more than one: held, executing and so on, since the start, are estimates
  TrialResult trials;
};

// Adds another shard of the same pool. Windows that began in the same minute are put together.
void merge(PoolMeasure& measure, const PoolMeasure& other);

class Meter {
 public:
  // `host`: what the servers' host is measured with, may be null; outlives this.
  explicit Meter(Instant now, HostMeter* host = nullptr);
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  // The client needs a server.
  void arrived(Use& use, Instant now);
  // There is none for it yet.
  void queued(Use& use, Instant now);
  // It got one. `why` it had to wait is ignored when it was not queued.
  void served(Use& use, WaitReason why, Instant now);
  // It leaves without one.
  void abandoned(Use& use, GaveUp how, Instant now);
  // The server is ready for the client's messages.
  void linked(Use& use, Instant now);
  // The first message of a query, or of a batch that ends in Sync, goes to the server: once for each
  // ReadyForQuery that is to come.
  void query_started(Use& use, Instant now);
  // ReadyForQuery. `in_transaction`: its status was not 'I'; `statement_class` as in fingerprint.h, 0 when it
  // is not known. How long the query took.
  Duration query_finished(Use& use, bool in_transaction, Instant now, std::uint64_t statement_class = 0);
  // The server is free for others again, or gone; whatever was under way is over.
  void released(Use& use, Instant now);

  void open_changed(int open, Instant now) { open_.gauge.set(open, now); }
  void clients_changed(int connected) { clients_ = std::max(clients_now_ = connected, clients_); }
  // The size of the whole pool, for the record.
  void pool_size_changed(int size) { pool_size_ = size; }
  // Whether other workers have a part of this pool: then windows say how the levels moved.
  void record_series(bool wanted, Instant now);
  PoolTotals& totals() { return totals_; }
  const PoolTotals& totals() const { return totals_; }

  // The trace of the present window, with the uses that have not ended; see TraceRecorder.
  TraceSegment trace(std::span<const Use* const> live, Instant now) const;
  const std::vector<std::uint64_t>& trace_classes() const { return recorder_.classes(); }

  // Windows end on whole minutes of the timeline: when `cut` is due. The trace is to be taken before.
  Instant cut_due() const;
  void cut(Instant now);
  // The closed windows whose virtual demand is final, each once, oldest first; `open_too`: all closed
  // windows, because there will be no later call.
  std::vector<WindowRef> take_final(bool open_too = false);

  LittleCheck little(Instant now) const;
  // `series_too`: how the levels moved in the open window, if that is recorded; it takes time to copy.
  PoolMeasure measure(Instant now, bool series_too = false) const;
  // All but what it does not know: failing_since, failure and retry_at. Allocates nothing.
  PoolPulse pulse(Duration target, Instant now) const;

 private:
  // The present window in the gauge, all before it next to it.
  struct Track {
    explicit Track(Instant now) : gauge(now) {}
    LevelTimes all(Instant now) const;
    LevelGauge gauge;
    LevelTimes before;
  };

  struct Series {
    Series(Instant now, int held_level, int needing_level)
        : since(now), held(held_level, now), needing(needing_level, now) {}
    Instant since;
    LevelRecorder held, needing;
  };

  void needing(int by, Instant now);
  void set_state(Use& use, Use::State state, Instant now);
  MinuteWindow window(Instant now) const;
  Duration idle_until(Instant now) const;
  Duration holding_time(Instant now) const;
  Duration preview_lag() const;

  HostMeter* host_;
  TraceRecorder recorder_;
  Instant since_;
  PoolTotals totals_;
  std::uint64_t arrivals_ = 0, completions_ = 0;
  std::array<WaitTotal, wait_reasons> waits_by_reason_{};
  std::array<std::uint64_t, give_ups> gave_up_{};
  Histogram waits_, abandoned_waits_, links_, queries_, transactions_,
      holdings_;  // waits_: before the window

  Track held_, executing_, idle_in_transaction_, waiting_, open_;
  VirtualDemand virtual_;
  std::optional<Series> series_;

  int needing_ = 0;
  Instant needing_since_;  // when needing_ changed last, or the window began
  Instant idle_since_;     // for the stretch without any need; the same
  // Uses under way, and the sum of their starts in ns after since_: modulo 2^64, which cancels out.
  std::uint64_t running_ = 0, running_since_ = 0;

  // The present window, as far as the gauges do not hold it.
  MinuteWindow now_;
  Histogram now_waits_;
  Duration longest_wait_before_{};  // in the window before
  Duration longest_wait_{};
  int pool_size_ = 0, clients_ = 0, clients_now_ = 0;
  Windows windows_;
  Instant taken_ = Instant::min();  // start of the last window that take_final gave
};

}  // namespace pgweir
