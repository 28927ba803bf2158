#pragma once
// The control thread, which is the main thread: a libuv loop with the ControlCore, signals, and the end of
// the process.
//
// SIGTERM and SIGINT drain, SIGINT while draining stops at once, SIGHUP reloads.

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "proxy/net/background.h"
#include "proxy/net/hook.h"
#include "proxy/net/log.h"
#include "proxy/net/mailbox.h"
#include "proxy/net/state_file.h"
#include "proxy/net/turn.h"
#include "proxy/net/worker.h"
#include "proxy/session/control_core.h"

namespace pgweir {

class Control final : private ControlHost, private TurnTaker {
 public:
  // Reads the configuration again, as ControlHost::reload.
  using Reload = std::function<ControlHost::Reloaded(const Settings& running)>;

  // `state_file` may be null; outlives this.
  Control(const Mailboxes& mailboxes, Log& log, std::shared_ptr<const Settings> settings, Reload reload,
          StateFile* state_file, Duration wall_offset);
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // From here to `run` a signal waits, in this thread and in those that it starts later for good.
  static void hold_signals();

  Mailbox<ControlMail>& mailbox() { return mailbox_; }
  // Until the process is to end: by a signal, by the console, or because a drain is over or takes too long.
  void run();

 private:
  void watch(int signal);
  void on_signal(int signal);
  void on_mail();
  void begin_drain(DrainMode mode);
  void on_drain_timeout();

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

  // TurnTaker
  void begin_turn(Instant now) override { core_->begin_turn(now); }
  void end_turn() override;
  Instant next_deadline() const override { return core_->next_deadline(); }

  const Mailboxes& mailboxes_;
  Log& log_;
  Reload reload_;
  Duration shutdown_timeout_;
  StateFile* state_file_;
  Duration wall_offset_;

  Loop loop_;
  Mailbox<ControlMail> mailbox_;
  Turn turn_;
  std::unique_ptr<ControlCore> core_;
  std::shared_ptr<const Settings> settings_;  // those of the start
  std::vector<HandlePtr<uv_signal_t>> signals_;
  HandlePtr<uv_timer_t> log_timer_, drain_timer_;
  Hook hook_;
  std::vector<ControlMail> mail_;  // being delivered
  std::optional<DrainMode> drain_wanted_;
  bool draining_ = false;
  Background background_;  // posts to the mailbox: the first to go
};

}  // namespace pgweir
