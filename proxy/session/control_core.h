#pragma once
// The engine of the control thread: it owns the slots of all pools (Arbiter), the client slots, and the
// console's answers. Pure, as WorkerCore is: mail and time come in, mail and requests go out through
// ControlHost. All calls come from the control thread.

#include <memory>

#include "proxy/session/control_host.h"

namespace pgweir {

class ControlEngine;

class ControlCore {
 public:
  // `wall_offset`: what to add to an Instant to get nanoseconds since 1970, for times that people read.
  ControlCore(int workers, ControlHost& host, std::shared_ptr<const Settings> settings, Instant now,
              Duration wall_offset);
  ~ControlCore();
  ControlCore(const ControlCore&) = delete;
  ControlCore& operator=(const ControlCore&) = delete;

  // Before the first turn: what an earlier process kept.
  void restore(State state);
  void begin_turn(Instant now);
  void on_mail(ControlMail mail);
  // SIGHUP: reload as the console's RELOAD does.
  void reload();
  // The program that ControlHost::run_hook was asked for has ended.
  void hook_ended();
  // SIGTERM: workers take no new clients, finish transactions, and say Drained.
  void drain(Drain how);
  // SIGUSR1 and SIGUSR2: PAUSE and RESUME as on the console.
  void pause();
  void resume();
  // A cancel that came to the process that has taken over from this one: `foreign` is set.
  void cancel(CancelByKey cancel);
  // ControlHost::ask_predecessor has led to its end.
  void cancel_handled(const CancelByKey& cancel);
  // Whether all threads still work: ControlHost::alive follows.
  void check_alive();
  void end_turn();
  Instant next_deadline() const;
  // A drain was asked for and every worker has finished.
  bool drained() const;
  // After the last turn: what was not kept yet.
  void finish(Instant now);

 private:
  std::unique_ptr<ControlEngine> engine_;
};

}  // namespace pgweir
