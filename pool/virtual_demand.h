#pragma once
// The demand of a pool as if nobody had to wait: every transaction is put at the time of its arrival for as
// long as it held a server, [arrival, arrival + holding). A full pool never shows more than its own size;
// this does. Belongs to one thread (part of a Meter).
//
// While nobody waits, it is simply the number of servers in use. The first client that waits switches on a
// ring of cells of 1 ms (a difference array, 256 KiB, allocated then): +1 in the cell of the arrival when a
// client is served, -1 in the cell of its virtual end when it is done. The level of a cell is the number in
// use at the cell's end. Cells count for good once they are 60 s old, or as soon as nobody waits and
// everybody who waited is done, when the ring is switched off again. Hence
//  - waits up to 60 s are exact to a cell; what a longer wait would put into cells that are already final
//  goes
//    into the oldest open cell;
//  - a transaction may last as long as it likes;
//  - a client that gave up counts as one typical transaction from its arrival, but for 30 s from now at most.

#include <cstdint>
#include <optional>
#include <vector>

#include "pool/level_series.h"
#include "pool/levels.h"
#include "pool/time.h"

namespace pgweir {

class VirtualDemand {
 public:
  static constexpr Duration lag = std::chrono::seconds(60);

  explicit VirtualDemand(Instant now) : cursor_(now) {}

  // How the demand moves is wanted with each window from now on, the present one if it has just begun.
  void record(bool wanted);

  // `now` never goes back. A client starts to wait.
  void queued(Instant now);
  // A client gets a server after waiting for `wait`; `queued` says whether it was told to `queued`.
  void served(bool queued, Duration wait, Instant now);
  // Its server is free again; `wait` is the same as in `served`.
  void released(Duration wait, Instant now);
  // A client that was queued leaves without having been served.
  void gave_up(Duration wait, Duration typical_holding, Instant now);

  // A window ends. It is finished at once, or when its last cell is final.
  void cut(Instant now);
  struct Finished {
    LevelTimes times;
    LevelSeriesRef series;  // null: not wanted
  };
  // The windows finished since the last call, oldest first.
  std::vector<Finished> take_finished();
  // What is finished, then all other windows and the present one as far as they are known: up to `until`
  // when clients wait, else up to `now`.
  std::vector<LevelTimes> preview(Instant until, Instant now) const;
  // How it moved in the present window; null when that is not wanted, or not known yet.
  LevelSeriesRef series(Instant now) const;

 private:
  static std::int64_t cell_of(Instant t);
  static Instant start_of(std::int64_t cell);
  bool quiet(Instant now) const { return waiting_ == 0 && late_ == 0 && now >= imputed_until_; }
  void switch_on(Instant now);
  void switch_off(Instant now);
  void place(Instant t, int by);
  void advance(Instant limit);
  void pass(Instant to);

  LevelTimes times_;           // of the oldest window that is not finished, up to cursor_
  Instant cursor_;             // all before it is final
  std::int64_t level_ = 0;     // at cursor_
  int in_use_ = 0;             // really, now
  std::vector<Instant> cuts_;  // ends of windows that cursor_ has not reached
  std::vector<Finished> finished_;
  bool recorded_ = false;
  std::optional<LevelRecorder> recorder_;  // from cursor_ on

  bool on_ = false;
  bool used_ = false;  // since the last cut
  std::vector<std::int16_t> ring_;
  std::int64_t last_cell_ = 0;  // none behind it has been written
  int waiting_ = 0;
  int late_ = 0;  // transactions under way whose clients waited
  Instant imputed_until_{};
};

}  // namespace pgweir
