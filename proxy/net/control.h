#pragma once
// The control thread, which is the main thread: a libuv loop with the ControlCore, signals, and the end of
// the process.
//
// SIGTERM and SIGINT drain, SIGINT while draining and SIGQUIT stop at once, SIGHUP reloads, SIGUSR1 pauses,
// SIGUSR2 resumes. A drain whose clients may stay lets them for shutdown_timeout, and their transactions for
// as long again.

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "proxy/net/background.h"
#include "proxy/net/hook.h"
#include "proxy/net/log.h"
#include "proxy/net/mailbox.h"
#include "proxy/net/service_manager.h"
#include "proxy/net/state_file.h"
#include "proxy/net/takeover.h"
#include "proxy/net/turn.h"
#include "proxy/net/worker.h"
#include "proxy/session/control_core.h"

namespace pgweir {

class Control final : private ControlHost, private TurnTaker, private TakeoverOwner {
 public:
  // Reads the configuration again, as ControlHost::reload.
  using Reload = std::function<ControlHost::Reloaded(const Settings& running)>;

  // Without a state file `state_file` is null.
  Control(const Mailboxes& mailboxes, Log& log, std::shared_ptr<const Settings> settings, Reload reload,
          std::unique_ptr<StateFile> state_file, Duration wall_offset, Succession succession,
          const ServiceManager& manager);
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // From here to `run` a signal waits, in this thread and in those that it starts later for good.
  static void hold_signals();

  Mailbox<ControlMail>& mailbox() { return mailbox_; }
  // All workers run. Until the process is to end: by a signal, by the console, or because a drain is over or
  // takes too long.
  void run();

 private:
  void watch(int signal);
  void on_signal(int signal);
  void on_mail();
  void begin_drain(Drain how);
  void on_drain_timeout();
  void on_released();

  // ControlHost
  void post(WorkerId worker, WorkerMail mail) override;
  ControlHost::Reloaded reload(const Settings& running) override;
  void in_background(std::function<ControlMail()> work) override;
  void run_hook(HookRun run) override { hook_.run(std::move(run)); }
  void stop() override;
  void start_drain(DrainMode mode) override;
  void configure(const Settings& settings) override;
  void keep(StateEntry entry) override;
  void log(LogLine line) override { log_.write(line); }
  bool ask_predecessor(const CancelByKey& cancel) override { return takeover_.ask_predecessor(cancel); }
  void foreign_cancel_handled(std::uint64_t foreign) override { takeover_.foreign_cancel_handled(foreign); }
  void alive() override { manager_.tell("WATCHDOG=1"); }

  // TakeoverOwner
  void release_state(std::function<void()> done) override;
  void reclaim_state() override;
  void handed_over() override;
  void on_foreign_cancel(CancelByKey cancel) override;
  void on_cancel_handled(const CancelByKey& cancel) override;

  // TurnTaker
  void begin_turn(Instant now) override { core_->begin_turn(now); }
  void end_turn() override;
  Instant next_deadline() const override { return core_->next_deadline(); }

  const Mailboxes& mailboxes_;
  Log& log_;
  Reload reload_;
  Duration shutdown_timeout_;
  std::unique_ptr<StateFile> state_file_;
  const std::string state_path_;
  Duration wall_offset_;

  Loop loop_;
  Mailbox<ControlMail> mailbox_;
  Mailbox<std::function<void()>> released_;  // the state file, for a successor
  Turn turn_;
  std::unique_ptr<ControlCore> core_;
  std::shared_ptr<const Settings> settings_;  // those of the start
  std::vector<HandlePtr<uv_signal_t>> signals_;
  HandlePtr<uv_timer_t> log_timer_, drain_timer_, watchdog_timer_;
  Hook hook_;
  std::vector<ControlMail> mail_;  // being delivered
  std::optional<Drain> drain_wanted_;
  std::optional<Drain> draining_;
  const ServiceManager& manager_;
  Takeover takeover_;
  Background background_;  // posts to the mailbox: the first to go
};

}  // namespace pgweir
