#include "proxy/net/control.h"

#include <csignal>
#include <sstream>

namespace pgweir {
namespace {

constexpr std::uint64_t log_period_ms = 1000;
constexpr int handled_signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};

void mask_signals(int how) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : handled_signals) sigaddset(&set, signal);
  pthread_sigmask(how, &set, nullptr);
}

}  // namespace

Control::Control(const Mailboxes& mailboxes, Log& log, std::shared_ptr<const Settings> settings,
                 Reload reload, std::unique_ptr<StateFile> state_file, Duration wall_offset,
                 Succession succession, const ServiceManager& manager)
    : mailboxes_(mailboxes),
      log_(log),
      reload_(std::move(reload)),
      shutdown_timeout_(settings->shutdown_timeout),
      state_file_(std::move(state_file)),
      state_path_(settings->state_file),
      wall_offset_(wall_offset),
      mailbox_(loop_.get(), [this] { on_mail(); }),
      released_(loop_.get(), [this] { on_released(); }),
      turn_(loop_.get(), *this),
      settings_(std::move(settings)),
      hook_(loop_.get(), log_,
            [this] {
              turn_.open();
              core_->hook_ended();
            }),
      manager_(manager),
      takeover_(loop_.get(), std::move(succession), *this) {
  for (HandlePtr<uv_timer_t>* timer : {&log_timer_, &drain_timer_, &watchdog_timer_})
    *timer = make_handle<uv_timer_t>(this, [&](uv_timer_t* h) { return uv_timer_init(loop_.get(), h); });
  for (const int signal : handled_signals) watch(signal);
}

void Control::hold_signals() { mask_signals(SIG_BLOCK); }

void Control::watch(int signal) {
  auto handle =
      make_handle<uv_signal_t>(this, [&](uv_signal_t* h) { return uv_signal_init(loop_.get(), h); });
  uv_signal_start(
      handle.get(), [](uv_signal_t* h, int number) { static_cast<Control*>(h->data)->on_signal(number); },
      signal);
  signals_.push_back(std::move(handle));
}

void Control::run() {
  core_ = std::make_unique<ControlCore>(static_cast<int>(mailboxes_.workers.size()),
                                        static_cast<ControlHost&>(*this), std::move(settings_), instant_now(),
                                        wall_offset_);
  if (state_file_ != nullptr) core_->restore(state_file_->take_state());
  uv_timer_start(
      log_timer_.get(), [](uv_timer_t* h) { static_cast<Control*>(h->data)->log_.settle(); }, log_period_ms,
      log_period_ms);
  // Twice as often as asked for.
  if (const auto period =
          std::chrono::duration_cast<std::chrono::milliseconds>(manager_.watchdog() / 2).count();
      period > 0) {
    uv_timer_start(
        watchdog_timer_.get(),
        [](uv_timer_t* h) {
          Control& self = *static_cast<Control*>(h->data);
          self.turn_.open();
          self.core_->check_alive();
        },
        static_cast<std::uint64_t>(period), static_cast<std::uint64_t>(period));
  }
  turn_.open();
  takeover_.start();
  manager_.tell("READY=1\nMAINPID=" + std::to_string(::getpid()) + "\nSTATUS=serving");
  mask_signals(SIG_UNBLOCK);
  uv_run(loop_.get(), UV_RUN_DEFAULT);
  manager_.tell("STOPPING=1\nSTATUS=stopping");
  mailbox_.close();
  released_.close();
  takeover_.close();
  turn_.close();
  core_->finish(instant_now());
  core_.reset();
  state_file_.reset();
}

void Control::on_signal(int signal) {
  turn_.open();
  switch (signal) {
    case SIGHUP:
      log_.write(LogLevel::info, "SIGHUP: reading the configuration again");
      return core_->reload();
    case SIGUSR1:
      log_.write(LogLevel::info, "SIGUSR1: PAUSE");
      return core_->pause();
    case SIGUSR2:
      log_.write(LogLevel::info, "SIGUSR2: RESUME");
      return core_->resume();
    case SIGQUIT:
      log_.write(LogLevel::info, "SIGQUIT: stopping at once");
      return uv_stop(loop_.get());
    case SIGINT:
      if (!draining_ && !drain_wanted_) break;
      log_.write(LogLevel::info, "SIGINT while draining: stopping at once");
      return uv_stop(loop_.get());
  }
  drain_wanted_ = Drain{};
}

void Control::on_mail() {
  mailbox_.take(mail_);
  for (ControlMail& mail : mail_) {
    turn_.open();
    core_->on_mail(std::move(mail));
  }
  mail_.clear();
}

void Control::end_turn() {
  core_->end_turn();
  if (drain_wanted_) {
    begin_drain(*std::exchange(drain_wanted_, std::nullopt));
    core_->end_turn();
  }
  if (draining_ && core_->drained()) {
    log_.write(LogLevel::info, "all clients are gone: stopping");
    uv_stop(loop_.get());
  }
}

void Control::begin_drain(Drain how) {
  // Sockets that are another's stay so.
  how.handed_over = how.handed_over || takeover_.sockets_last() || (draining_ && draining_->handed_over);
  const std::string why = how.handed_over ? "new clients are another process's" : "no new clients";
  const std::string until = how.mode == DrainMode::clients ? "clients may stay" : "transactions may finish";
  log_.write(LogLevel::info, "draining: " + why + ", " + until + "; SIGINT stops at once");
  manager_.tell("STOPPING=1\nSTATUS=draining");
  core_->begin_turn(turn_.now());
  core_->drain(how);
  const bool timed = draining_ && draining_->mode == how.mode;
  draining_ = how;
  if (timed || shutdown_timeout_ == Duration::zero()) return;
  const auto millis = std::chrono::ceil<std::chrono::milliseconds>(shutdown_timeout_).count();
  uv_timer_start(
      drain_timer_.get(), [](uv_timer_t* h) { static_cast<Control*>(h->data)->on_drain_timeout(); },
      static_cast<std::uint64_t>(millis), 0);
}

void Control::on_drain_timeout() {
  turn_.open();
  if (draining_->mode == DrainMode::clients) {
    log_.write(LogLevel::info, "shutdown_timeout is over: clients that are left must leave");
    drain_wanted_ = Drain{};
    return;
  }
  log_.write(LogLevel::warning, "shutdown_timeout is over: stopping with clients left");
  uv_stop(loop_.get());
}

// ---- another process takes over ----

void Control::release_state(std::function<void()> done) {
  log_.write(LogLevel::info, "another process is about to take over");
  core_->begin_turn(instant_now());
  core_->finish(instant_now());
  // A synchronized write may take long.
  auto file = std::make_shared<std::unique_ptr<StateFile>>(std::move(state_file_));
  background_.run([this, file = std::move(file), done = std::move(done)] {
    file->reset();
    released_.post(done);
  });
}

void Control::on_released() {
  std::vector<std::function<void()>> done;
  released_.take(done);
  for (const auto& call : done) call();
}

void Control::reclaim_state() {
  log_.write(LogLevel::warning, "the process that was about to take over has failed: going on");
  if (!state_path_.empty()) state_file_ = StateFile::open(state_path_, wall_offset_, log_);
}

void Control::handed_over() {
  turn_.open();
  drain_wanted_ = Drain{.mode = draining_ ? draining_->mode : DrainMode::clients, .handed_over = true};
}

void Control::on_foreign_cancel(CancelByKey cancel) {
  turn_.open();
  core_->cancel(std::move(cancel));
}

void Control::on_cancel_handled(const CancelByKey& cancel) {
  turn_.open();
  core_->cancel_handled(cancel);
}

void Control::post(WorkerId worker, WorkerMail mail) {
  mailboxes_.workers[worker.value]->post(std::move(mail));
}

void Control::keep(StateEntry entry) {
  if (state_file_ != nullptr) state_file_->write(std::move(entry));
}

ControlHost::Reloaded Control::reload(const Settings& running) {
  manager_.tell_reloading();
  ControlHost::Reloaded result = reload_(running);
  manager_.tell("READY=1");
  if (result.settings) configure(*result.settings);
  const LogLevel level = result.settings ? LogLevel::info : LogLevel::error;
  std::istringstream lines(result.report);
  for (std::string line; std::getline(lines, line);) log_.write(level, line);
  return result;
}

void Control::in_background(std::function<ControlMail()> work) {
  background_.run([this, work = std::move(work)] { mailbox_.post(work()); });
}

void Control::stop() { uv_stop(loop_.get()); }

void Control::start_drain(DrainMode mode) { drain_wanted_ = Drain{.mode = mode}; }

void Control::configure(const Settings& settings) {
  log_.configure(settings.log);
  shutdown_timeout_ = settings.shutdown_timeout;
}

}  // namespace pgweir
