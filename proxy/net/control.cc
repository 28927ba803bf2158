#include "proxy/net/control.h"

#include <csignal>
#include <sstream>

namespace pgweir {
namespace {

constexpr std::uint64_t log_period_ms = 1000;
constexpr int handled_signals[] = {SIGTERM, SIGINT, SIGHUP};

void mask_signals(int how) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : handled_signals) sigaddset(&set, signal);
  pthread_sigmask(how, &set, nullptr);
}

}  // namespace

Control::Control(const Mailboxes& mailboxes, Log& log, std::shared_ptr<const Settings> settings,
                 Reload reload, StateFile* state_file, Duration wall_offset)
    : mailboxes_(mailboxes),
      log_(log),
      reload_(std::move(reload)),
      shutdown_timeout_(settings->shutdown_timeout),
      state_file_(state_file),
      wall_offset_(wall_offset),
      mailbox_(loop_.get(), [this] { on_mail(); }),
      turn_(loop_.get(), *this),
      settings_(std::move(settings)),
      hook_(loop_.get(), log_, [this] {
        turn_.open();
        core_->hook_ended();
      }) {
  log_timer_ = make_handle<uv_timer_t>(this, [&](uv_timer_t* h) { return uv_timer_init(loop_.get(), h); });
  drain_timer_ = make_handle<uv_timer_t>(this, [&](uv_timer_t* h) { return uv_timer_init(loop_.get(), h); });
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
  turn_.open();
  mask_signals(SIG_UNBLOCK);
  uv_run(loop_.get(), UV_RUN_DEFAULT);
  mailbox_.close();
  turn_.close();
  core_->finish(instant_now());
  core_.reset();
}

void Control::on_signal(int signal) {
  turn_.open();
  if (signal == SIGHUP) {
    log_.write(LogLevel::info, "SIGHUP: reading the configuration again");
    core_->reload();
    return;
  }
  if (signal == SIGINT && (draining_ || drain_wanted_)) {
    log_.write(LogLevel::info, "SIGINT while draining: stopping at once");
    uv_stop(loop_.get());
    return;
  }
  drain_wanted_ = DrainMode::transactions;
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

void Control::begin_drain(DrainMode mode) {
  const char* const how =
      mode == DrainMode::clients ? "clients may stay as long as they like" : "transactions may finish";
  log_.write(LogLevel::info, std::string("draining: no new clients, ") + how + "; SIGINT stops at once");
  core_->begin_turn(turn_.now());
  core_->drain(mode);
  if (std::exchange(draining_, true)) return;
  if (shutdown_timeout_ == Duration::zero()) return;
  const auto millis = std::chrono::ceil<std::chrono::milliseconds>(shutdown_timeout_).count();
  uv_timer_start(
      drain_timer_.get(), [](uv_timer_t* h) { static_cast<Control*>(h->data)->on_drain_timeout(); },
      static_cast<std::uint64_t>(millis), 0);
}

void Control::on_drain_timeout() {
  log_.write(LogLevel::warning, "shutdown_timeout is over: stopping with clients left");
  uv_stop(loop_.get());
}

void Control::post(WorkerId worker, WorkerMail mail) {
  mailboxes_.workers[worker.value]->post(std::move(mail));
}

void Control::keep(StateEntry entry) {
  if (state_file_ != nullptr) state_file_->write(std::move(entry));
}

ControlHost::Reloaded Control::reload(const Settings& running) {
  ControlHost::Reloaded result = reload_(running);
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

void Control::start_drain(DrainMode mode) { drain_wanted_ = mode; }

void Control::configure(const Settings& settings) {
  log_.configure(settings.log);
  shutdown_timeout_ = settings.shutdown_timeout;
}

}  // namespace pgweir
