#pragma once
// The turns of a core on a libuv loop. The first input of a loop iteration opens a turn; it ends after the
// last callback that could bring one. The core's next deadline is one libuv timer.
//
// Everything on the loop's thread.

#include "proxy/net/handle.h"

namespace pgweir {

// Monotonic; the epoch of all Instants of the process.
inline Instant instant_now() { return Instant(Duration(static_cast<Duration::rep>(uv_hrtime()))); }

class TurnTaker {
 public:
  virtual void begin_turn(Instant now) = 0;
  virtual void end_turn() = 0;
  virtual Instant next_deadline() const = 0;

 protected:
  ~TurnTaker() = default;
};

class Turn {
 public:
  Turn(uv_loop_t* loop, TurnTaker& taker);

  // To be called before every input.
  void open() {
    if (!open_) begin();
  }
  // Ends the turn now, if there is one. Runs by itself after the callbacks of each phase of the loop.
  void end();
  Instant now() const { return now_; }
  // After the last turn: no callback any more.
  void close();

 private:
  void begin();
  void on_timer();
  void arm();

  TurnTaker& taker_;
  uv_loop_t* loop_;
  HandlePtr<uv_prepare_t> prepare_;
  HandlePtr<uv_check_t> check_;
  HandlePtr<uv_timer_t> timer_;
  bool open_ = false;
  Instant now_{};
  Instant armed_ = never;  // when the timer fires
};

}  // namespace pgweir
