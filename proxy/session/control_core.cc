#include "proxy/session/control_core.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "admin/autopilot.h"
#include "admin/console.h"
#include "pool/arbiter.h"
#include "proxy/session/alert_desk.h"
#include "proxy/session/budget_desk.h"
#include "proxy/session/history_keeper.h"
#include "proxy/session/operator_desk.h"
#include "proxy/session/size_desk.h"

namespace pgweir {

class ControlEngine {
 public:
  ControlEngine(int workers, ControlHost& host, std::shared_ptr<const Settings> settings, Instant now,
                Duration wall_offset)
      : workers_(workers),
        host_(host),
        settings_(std::move(settings)),
        now_(now),
        started_(now),
        wall_offset_(wall_offset),
        next_sample_(now + StatsHistory::period),
        history_(workers, host, now, wall_offset),
        sizes_(host, history_),
        alerts_(host, now, wall_offset),
        budgets_(host),
        operator_(workers, host),
        next_flight_(now + flight_period) {}

  void restore(State state) {
    alerts_.watch().restore(state, now_);
    history_.restore(std::move(state));
    std::string report;  // each line is logged as well
    auto settings = sizes_.with_applied(settings_, now_, report);
    if (settings != settings_) use(std::move(settings), {});
  }

  void begin_turn(Instant now) {
    now_ = now;
    history_.begin_turn(now);
    sizes_.begin_turn(*settings_, now);
    if (history_.profiles_due(now)) ask_workers(Asker::history, HistoryKeeper::profile_parts);
    if (alerts_.due(now)) ask_workers(Asker::alerts, AlertDesk::parts());
    if (now >= next_flight_) {
      next_flight_ = now + flight_period;
      if (!flying_ && has_autopilot(*settings_)) {
        flying_ = true;
        ask_workers(Asker::autopilot, HistoryKeeper::profile_parts);
      }
    }
    if (now < next_sample_) return;
    next_sample_ = now + StatsHistory::period;
    ask_workers(Asker::averages, {.measures = true, .queries = true});
  }
  Instant next_deadline() const {
    return std::min(
        {next_sample_, history_.next_deadline(), sizes_.next_deadline(), alerts_.next_look(), next_flight_});
  }
  void hook_ended() { alerts_.hook_ended(*settings_); }
  void finish(Instant now) { history_.finish(now); }
  void on_mail(ControlMail mail) {
    std::visit([this](auto& letter) { receive(letter); }, mail);
  }

  std::string reload() {
    ControlHost::Reloaded loaded = host_.reload(*settings_);
    if (!loaded.settings) return reload_reply(false, loaded.report);
    use(sizes_.with_applied(std::move(loaded.settings), now_, loaded.report), std::move(loaded.tls));
    for (const std::string& warning : budgets_.reloaded(*settings_)) {
      if (!loaded.report.empty()) loaded.report += '\n';
      loaded.report += "warning: " + warning;
    }
    return reload_reply(true, loaded.report);
  }

  void use(std::shared_ptr<const Settings> settings, std::shared_ptr<const TlsContexts> tls) {
    settings_ = std::move(settings);
    tell_all(NewSettings{settings_, std::move(tls)});
    ArbiterOrders orders;
    arbiter_.limits_changed([this](const Route& route) { return limits_of(route); }, orders);
    carry_out(orders);
  }

  void drain(Drain how) {
    drain_ = how;
    drained_once_ = false;
    ask_drained();
  }

  void order(ConsoleAction action) { operator_.order(action); }

  void cancel(CancelByKey mail) {
    const WorkerId owner = mail.owner();
    if (owner.value < static_cast<std::uint32_t>(workers_)) return host_.post(owner, std::move(mail));
    CancelUnknown unknown{std::move(mail)};
    receive(unknown);
  }
  void cancel_handled(const CancelByKey& mail) {
    if (mail.foreign != 0) return host_.foreign_cancel_handled(mail.foreign);
    host_.post(mail.from, CancelHandled{mail.asker});
  }

  void check_alive() {
    if (!std::exchange(checking_, true)) ask_workers(Asker::watchdog, {});
  }

  bool drained() const { return drained_once_ && drained_workers_ == workers_; }

 private:
  enum class Asker : std::uint8_t { console, averages, history, alerts, metrics, autopilot, watchdog };
  void log_stats() {
    if (!settings_->log.stats) return;
    LogLine line;
    line.text = averages_.line(started_);
    host_.log(std::move(line));
  }

  struct Question {
    Asker asker = Asker::console;
    std::optional<ConsoleAsked> asked;  // by the console
    bool traces = false;
    std::vector<WorkerSnapshot> snapshots;
    MetricsReply metrics{};
  };

  template <class Letter>
  void tell_all(const Letter& letter) {
    for (int i = 0; i < workers_; ++i) host_.post(WorkerId{static_cast<std::uint32_t>(i)}, letter);
  }

  // ---- slots of pools ----

  SlotLimits limits_of(const Route& route) const {
    const PoolSettings& defaults = settings_->pool;
    SlotLimits limits{settings_->size_of(route.database, route.user),
                      settings_->reserve_of(route.database, route.user), defaults.max_db_connections,
                      defaults.max_user_connections};
    if (const DatabaseSettings* const database = settings_->find_database(route.database))
      limits.database = database->max_db_connections.value_or(limits.database);
    if (const UserSettings* const user = settings_->find_user(route.user))
      limits.user = user->max_user_connections.value_or(limits.user);
    if (route.replication != 0) {
      limits.pool = 1;
      limits.reserve = 0;
    }
    return limits;
  }

  void carry_out(const ArbiterOrders& orders) {
    for (const SlotGrant& grant : orders.grants)
      host_.post(grant.worker, SlotsGranted{grant.route, grant.slots});
    for (const SlotRecall& recall : orders.recalls) {
      host_.post(recall.worker,
                 SlotRecalled{recall.route, recall.since, recall.same_pool, recall.to, recall.even});
    }
  }

  void receive(SlotsWanted& mail) {
    ArbiterOrders orders;
    arbiter_.wanted(mail.worker, mail.route, mail.wanted, mail.since, mail.reserve, limits_of(mail.route),
                    orders);
    carry_out(orders);
  }
  void receive(SlotsReturned& mail) {
    ArbiterOrders orders;
    arbiter_.returned(mail.worker, mail.route, mail.slots, orders);
    carry_out(orders);
  }
  void receive(SlotMoved& mail) {
    ArbiterOrders orders;
    arbiter_.moved(mail.from, mail.to, mail.route, orders);
    carry_out(orders);
  }

  // ---- client slots ----

  void receive(ClientSlotsWanted& mail) {
    const int slots = std::clamp(settings_->pool.max_client_conn - client_slots_, 0, mail.slots);
    client_slots_ += slots;
    host_.post(mail.worker, ClientSlotsGranted{slots, client_slots_});
  }
  void receive(ClientSlotsReturned& mail) { client_slots_ -= mail.slots; }

  // The limit of the database counts first, as in PgBouncer.
  void receive(ClientArrived& mail) {
    using Full = ClientAdmitted::Full;
    ClientAdmitted answer{.client = mail.client, .route = mail.route};
    const auto look_at = [&](Full which, int limit, const std::map<std::string, int>& counts,
                             const std::string& name) {
      const auto found = counts.find(name);
      const int in_use = found == counts.end() ? 0 : found->second;
      if (limit == 0 || in_use < limit || answer.full != Full::none) return;
      answer.full = which;
      answer.limit = limit;
      answer.in_use = in_use;
    };
    const auto& [database, user, replication] = mail.route;
    look_at(Full::database, settings_->clients_of_database(database), clients_of_databases_, database);
    look_at(Full::user, settings_->clients_of_user(user), clients_of_users_, user);
    if (answer.full == Full::none) count_clients(mail.route, 1);
    host_.post(mail.worker, std::move(answer));
  }
  void receive(ClientsCounted& mail) { count_clients(mail.route, mail.clients); }
  void receive(ClientLeft& mail) { count_clients(mail.route, -1); }

  void count_clients(const Route& route, int by) {
    const auto count = [by](std::map<std::string, int>& counts, const std::string& name) {
      if ((counts[name] += by) == 0) counts.erase(name);
    };
    count(clients_of_databases_, route.database);
    count(clients_of_users_, route.user);
  }

  void receive(KeysLearned& mail) { tell_all(mail); }

  // ---- what is kept for advice ----

  void receive(MinutePassed& mail) {
    alerts_.watch().add_trace(mail.route, mail.segment, mail.classes);
    history_.add(mail);
  }

  void receive(HostMinutePassed& mail) { history_.add(mail, now_); }
  void receive(HostLimitsSeen& mail) { budgets_.seen(mail.host, std::move(mail.limits)); }

  // ---- console ----

  void receive(ConsoleAsked& mail) {
    const ConsolePlan plan = plan_console(mail.query);
    if (!plan.needs_snapshots) return answer({Asker::console, std::move(mail), false, {}, {}});
    ask_workers(Asker::console, plan.parts, std::move(mail));
  }

  void receive(MetricsAsked& mail) {
    ask_workers(Asker::metrics, mail.parts);
    questions_[tickets_].metrics = std::move(mail.reply);
  }

  void ask_workers(Asker asker, const SnapshotParts& parts, std::optional<ConsoleAsked> asked = {}) {
    const std::uint64_t ticket = ++tickets_;
    questions_[ticket] = {asker, std::move(asked), parts.traces, {}, {}};
    tell_all(SnapshotAsked{ticket, parts});
  }

  void receive(SnapshotCut& mail) {
    const auto found = questions_.find(mail.ticket);
    if (found == questions_.end()) return;
    found->second.snapshots.push_back(std::move(mail.snapshot));
    if (static_cast<int>(found->second.snapshots.size()) < workers_) return;
    Question question = std::move(found->second);
    questions_.erase(found);
    switch (question.asker) {
      case Asker::console:
        break;
      case Asker::averages:
        averages_.sample(now_, question.snapshots);
        log_stats();
        return alerts_.watch().add_minutes(question.snapshots, now_);
      case Asker::history:
        return history_.keep_profiles(std::move(question.snapshots), *settings_, budgets_.limits(), now_);
      case Asker::alerts:
        alerts_.set_budgets(budgets_.look(question.snapshots, *settings_, now_));
        return alerts_.look(question.snapshots, *settings_, now_);
      case Asker::metrics:
        return question.metrics({settings_, std::move(question.snapshots), now_, wall_offset_, started_,
                                 alerts_.watch().book().list(), drain_.has_value(), operator_.gates()});
      case Asker::autopilot:
        return plan_in_background(std::move(question));
      case Asker::watchdog:
        checking_ = false;
        return host_.alive();
    }
    // Only what gives advice needs traces, and takes long.
    if (question.traces) return answer_in_background(std::move(question));
    answer(std::move(question));
  }

  // What the answer is made from, so that another thread can make it.
  struct Desk {
    Question question;
    std::shared_ptr<const Settings> settings;
    StatsHistory averages;
    std::map<std::string, SpeedEvidence> hosts;
    std::map<std::string, HostLimitsKnown> limits;
    State state;
    std::vector<Alert> alerts;
    Gates gates;
    Instant now{}, started{};
    Duration wall_offset{};

    // Once.
    World world() {
      return {.settings = *settings,
              .workers = std::move(question.snapshots),
              .now = now,
              .wall_offset = wall_offset,
              .started = started,
              .history = &averages,
              .hosts = &hosts,
              .limits = std::move(limits),
              .state = &state,
              .alerts = std::move(alerts),
              .gates = gates};
    }
  };
  std::shared_ptr<Desk> desk_for(Question question) const {
    return std::make_shared<Desk>(Desk{.question = std::move(question),
                                       .settings = settings_,
                                       .averages = averages_,
                                       .hosts = history_.hosts(),
                                       .limits = budgets_.limits(),
                                       .state = history_.state(),
                                       .alerts = alerts_.watch().book().list(),
                                       .gates = operator_.gates(),
                                       .now = now_,
                                       .started = started_,
                                       .wall_offset = wall_offset_});
  }

  void plan_in_background(Question question) {
    host_.in_background(
        [desk = desk_for(std::move(question))] { return AutopilotPlanned{plan_sizes(desk->world())}; });
  }
  void receive(AutopilotPlanned& mail) {
    flying_ = false;
    auto settings = sizes_.fly(settings_, mail.plans, now_);
    if (settings != settings_) use(std::move(settings), {});
  }

  void answer_in_background(Question question) {
    host_.in_background([desk = desk_for(std::move(question))] {
      const ConsoleAsked& asked = *desk->question.asked;
      ConsoleResult result = answer_console(asked.query, asked.rights, desk->world());
      return ConsoleComputed{asked.worker,
                             {asked.client, std::move(result.bytes), false},
                             std::move(result.order.change),
                             asked.user};
    });
  }
  void receive(ConsoleComputed& mail) {
    if (mail.change) mail.answer.bytes = resize(*mail.change, mail.user);
    host_.post(mail.worker, std::move(mail.answer));
  }

  std::string resize(const SizeChange& change, const std::string& user) {
    auto settings = sizes_.change(settings_, change, user, now_);
    if (!settings) return resize_reply(settings.error());
    if (*settings != settings_) use(*std::move(settings), {});
    return resize_reply(change, SizeDesk::note_on(change, *settings_));
  }

  void answer(Question question) {
    const World world{.settings = *settings_,
                      .workers = std::move(question.snapshots),
                      .now = now_,
                      .wall_offset = wall_offset_,
                      .started = started_,
                      .history = &averages_,
                      .state = &history_.state(),
                      .alerts = alerts_.watch().book().list(),
                      .forecasts = alerts_.watch().forecasts(),
                      .gates = operator_.gates()};
    ConsoleResult result = answer_console(question.asked->query, question.asked->rights, world);
    bool close = false;
    switch (result.action) {
      case ConsoleAction::none:
        break;
      case ConsoleAction::reload:
        result.bytes = reload();
        break;
      case ConsoleAction::resize:
        if (result.order.change) result.bytes = resize(*result.order.change, question.asked->user);
        break;
      case ConsoleAction::shutdown:
        host_.stop();
        break;
      case ConsoleAction::shutdown_wait_for_clients:
        host_.start_drain(DrainMode::clients);
        break;
      case ConsoleAction::shutdown_wait_for_servers:
        host_.start_drain(DrainMode::servers);
        break;
      case ConsoleAction::set:
        host_.configure(*result.order.settings);
        use(std::move(result.order.settings), {});
        budgets_.reloaded(*settings_);
        break;
      case ConsoleAction::pause:
      case ConsoleAction::resume:
      case ConsoleAction::suspend:
      case ConsoleAction::disable:
      case ConsoleAction::enable:
      case ConsoleAction::reconnect:
      case ConsoleAction::kill:
      case ConsoleAction::kill_client:
      case ConsoleAction::wait_close:
        return operator_.order(*question.asked, std::move(result));
      case ConsoleAction::close:
        close = true;
        break;
    }
    host_.post(question.asked->worker,
               ConsoleAnswered{question.asked->client, std::move(result.bytes), close});
  }

  void receive(OrderDone& mail) { operator_.done(mail); }
  void receive(ConsoleGaveUp& mail) { operator_.gave_up(mail); }

  // A client may have been mailed to a worker that had said already that it has none. So all are asked twice:
  // who has learned of the drain sends no client to others, and what was sent before has arrived.
  void ask_drained() {
    drained_workers_ = 0;
    drain_->round = ++drain_rounds_;
    tell_all(*drain_);
  }
  void receive(Drained& mail) {
    if (mail.round != drain_rounds_ || ++drained_workers_ < workers_ || drained_once_) return;
    drained_once_ = true;
    ask_drained();
  }
  void receive(CancelUnknown& mail) {
    if (!host_.ask_predecessor(mail.cancel)) cancel_handled(mail.cancel);
  }
  void receive(ForeignCancelHandled& mail) { host_.foreign_cancel_handled(mail.foreign); }

  const int workers_;
  ControlHost& host_;
  std::shared_ptr<const Settings> settings_;
  Instant now_;
  const Instant started_;
  const Duration wall_offset_;

  Arbiter arbiter_;
  int client_slots_ = 0;                                                // granted
  std::map<std::string, int> clients_of_databases_, clients_of_users_;  // where a limit is or was set
  std::uint64_t tickets_ = 0;
  std::map<std::uint64_t, Question> questions_;
  StatsHistory averages_;
  Instant next_sample_;
  HistoryKeeper history_;
  SizeDesk sizes_;
  AlertDesk alerts_;
  BudgetDesk budgets_;
  OperatorDesk operator_;
  // Sizes by the autopilot: the snapshots cost no more than advice on the console does.
  static constexpr Duration flight_period = std::chrono::minutes(2);
  Instant next_flight_;
  bool flying_ = false;    // a plan is being made
  bool checking_ = false;  // whether the workers are alive
  std::optional<Drain> drain_;
  std::uint32_t drain_rounds_ = 0;
  bool drained_once_ = false;  // every worker has said so
  int drained_workers_ = 0;    // in this round
};

ControlCore::ControlCore(int workers, ControlHost& host, std::shared_ptr<const Settings> settings,
                         Instant now, Duration wall_offset)
    : engine_(std::make_unique<ControlEngine>(workers, host, std::move(settings), now, wall_offset)) {}

ControlCore::~ControlCore() = default;

void ControlCore::restore(State state) { engine_->restore(std::move(state)); }
void ControlCore::finish(Instant now) { engine_->finish(now); }
void ControlCore::begin_turn(Instant now) { engine_->begin_turn(now); }
void ControlCore::on_mail(ControlMail mail) { engine_->on_mail(std::move(mail)); }
void ControlCore::reload() { engine_->reload(); }
void ControlCore::hook_ended() { engine_->hook_ended(); }
void ControlCore::drain(Drain how) { engine_->drain(how); }
void ControlCore::pause() { engine_->order(ConsoleAction::pause); }
void ControlCore::resume() { engine_->order(ConsoleAction::resume); }
void ControlCore::cancel(CancelByKey cancel) { engine_->cancel(std::move(cancel)); }
void ControlCore::cancel_handled(const CancelByKey& cancel) { engine_->cancel_handled(cancel); }
void ControlCore::check_alive() { engine_->check_alive(); }
void ControlCore::end_turn() {}
Instant ControlCore::next_deadline() const { return engine_->next_deadline(); }
bool ControlCore::drained() const { return engine_->drained(); }

}  // namespace pgweir
