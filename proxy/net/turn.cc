#include "proxy/net/turn.h"

#include <algorithm>

namespace pgweir {

Turn::Turn(uv_loop_t* loop, TurnTaker& taker) : taker_(taker), loop_(loop), now_(instant_now()) {
  // Timers and finished writes call back before the loop polls, everything else after it.
  prepare_ = make_handle<uv_prepare_t>(this, [&](uv_prepare_t* h) { return uv_prepare_init(loop_, h); });
  check_ = make_handle<uv_check_t>(this, [&](uv_check_t* h) { return uv_check_init(loop_, h); });
  timer_ = make_handle<uv_timer_t>(this, [&](uv_timer_t* h) { return uv_timer_init(loop_, h); });
  uv_prepare_start(prepare_.get(), [](uv_prepare_t* h) { static_cast<Turn*>(h->data)->end(); });
  uv_check_start(check_.get(), [](uv_check_t* h) { static_cast<Turn*>(h->data)->end(); });
}

void Turn::begin() {
  open_ = true;
  now_ = instant_now();
  taker_.begin_turn(now_);
}

void Turn::end() {
  if (!open_) return;
  taker_.end_turn();
  open_ = false;
  arm();
}

// A deadline that moves later leaves the timer alone: it fires early once, and is set anew then.
void Turn::arm() {
  const Instant deadline = taker_.next_deadline();
  if (deadline >= armed_) return;
  armed_ = deadline;
  const Duration wait = std::max(deadline - now_, Duration::zero());
  const auto millis = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  uv_timer_start(
      timer_.get(), [](uv_timer_t* h) { static_cast<Turn*>(h->data)->on_timer(); },
      static_cast<std::uint64_t>(millis), 0);
}

void Turn::on_timer() {
  armed_ = never;
  if (taker_.next_deadline() <= instant_now()) {
    open();
  } else {
    now_ = instant_now();
    arm();
  }
}

void Turn::close() {
  prepare_.reset();
  check_.reset();
  timer_.reset();
}

}  // namespace pgweir
