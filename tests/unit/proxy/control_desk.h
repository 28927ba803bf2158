#pragma once
// The engine of the control thread, with a worker that is played by hand and a disk in memory.

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "admin/settings_table.h"
#include "pool/state_codec.h"
#include "proxy/session/control_core.h"
#include "tests/support/steady_minute.h"
#include "tests/unit/admin/console_reply.h"

namespace pgweir {

inline const Route desk_route{"shop", "alice"};

class ControlDesk final : public ControlHost {
 public:
  static constexpr Duration wall_offset = std::chrono::hours(24 * 20'000);

  explicit ControlDesk(std::shared_ptr<const Settings> settings, Instant now = Instant(std::chrono::hours(1)))
      : settings_(std::move(settings)), now_(now) {
    control_ = std::make_unique<ControlCore>(1, *this, settings_, now_, wall_offset);
  }

  static std::shared_ptr<Settings> settings(int pool_size) {
    auto settings = std::make_shared<Settings>(settings_by_default());
    settings->databases["*"] = database_by_default("*");
    settings->databases["shop"] = database_by_default("shop");
    settings->databases["shop"].pool_size = pool_size;
    return settings;
  }

  ControlCore& control() { return *control_; }
  Instant now() const { return now_; }
  void pass(Duration time) {
    for (const Instant end = now_ + time; now_ < end;) {
      now_ = std::min(now_ + std::chrono::minutes(1), end);
      control_->begin_turn(now_);
      control_->end_turn();
      answer_questions();
    }
  }
  // Each a minute of its pool after the other, up to now.
  void tell(const std::vector<WindowRef>& minutes, TraceSegment trace = {}) {
    control_->on_mail(MinutePassed{desk_route, std::move(trace), {0}, minutes});
  }
  ConsoleReply ask(const std::string& query, const std::string& user = "dba",
                   ConsolePrivilege rights = ConsolePrivilege::admin) {
    answer_ = {};
    control_->on_mail(ConsoleAsked{WorkerId{0}, ConnId{}, user, rights, query});
    answer_questions();
    REQUIRE_FALSE(answer_.empty());
    return read_reply(answer_);
  }
  // The state as another process reads it from the disk.
  State on_disk(Duration its_wall_offset = wall_offset) const {
    return read_state(disk, its_wall_offset).state;
  }

  // What the workers were told last.
  const Settings& told() const { return *settings_; }

  PoolSnapshot pool;  // what the worker says of it
  std::string disk = state_header();
  std::vector<StateEntry> kept;
  std::shared_ptr<const Settings> file;  // what a reload finds; null: the same as before

  void post(WorkerId, WorkerMail mail) override {
    if (auto* const question = std::get_if<SnapshotAsked>(&mail)) questions_.push_back(*question);
    if (auto* const told = std::get_if<NewSettings>(&mail)) settings_ = told->settings;
    if (auto* const answer = std::get_if<ConsoleAnswered>(&mail)) answer_ = answer->bytes;
  }
  Reloaded reload(const Settings& running) override {
    Reloaded result;
    result.settings = file ? file : std::make_shared<const Settings>(running);
    result.report = "the configuration was read again";
    return result;
  }
  void in_background(std::function<ControlMail()> work) override { control_->on_mail(work()); }
  void run_hook(HookRun) override {}
  void stop() override {}
  void start_drain(DrainMode) override {}
  bool ask_predecessor(const CancelByKey&) override { return false; }
  void foreign_cancel_handled(std::uint64_t) override {}
  void alive() override {}
  void configure(const Settings&) override {}
  void keep(StateEntry entry) override {
    REQUIRE(append_record(disk, entry, wall_offset));
    kept.push_back(std::move(entry));
  }
  void log(LogLine) override {}

 private:
  void answer_questions() {
    for (const SnapshotAsked& question : std::exchange(questions_, {})) {
      WorkerSnapshot snapshot;
      if (!pool.database.empty()) {
        snapshot.pools.push_back(pool);
        snapshot.pools.back().pool_size = settings_->size_of(pool.database, pool.user);
        if (!question.parts.measures) snapshot.pools.back().measure = {};
      }
      control_->on_mail(SnapshotCut{question.ticket, std::move(snapshot)});
    }
  }

  std::shared_ptr<const Settings> settings_;
  Instant now_;
  std::unique_ptr<ControlCore> control_;
  std::vector<SnapshotAsked> questions_;
  std::string answer_;
};

}  // namespace pgweir
