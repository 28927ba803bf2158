#include "tests/sim/world.h"

#include <algorithm>

#include "tests/sim/sim_proxy.h"

namespace pgweir::sim {

using namespace std::chrono_literals;

namespace {

constexpr int plenty_of_connections = 400;
// Simulated time within which everybody must have finished once the faults are off. All the work of all
// clients, one after the other, with the longest timeouts between, is less.
constexpr Duration patience = 600s;
// The same for what is left to do when the last client has gone.
constexpr Duration settling = 60s;

}  // namespace

SimWorld::SimWorld(const Scenario& scenario, bool verbose)
    : scenario_(scenario),
      schedule_(scenario.seed, verbose),
      net_(schedule_, scenario_.weather),
      checks_(schedule_, scenario_.limits),
      random_(schedule_.random().fork()),
      postgres_(schedule_, net_, checks_, scenario_.auth, plenty_of_connections) {
  const ClientRules& rules = scenario_.rules;
  if (rules.query > Duration::zero() || rules.transaction > Duration::zero()) checks_.expect_limits();
  if (!scenario_.direct) proxy_ = std::make_unique<SimProxy>(schedule_, net_, postgres_, checks_, scenario_);
  for (const ClientTraits& traits : scenario_.clients) {
    clients_.push_back(std::make_unique<SimClient>(schedule_, net_, checks_, scenario_.rules, traits,
                                                   [this](SocketUser* client) { return connect(client); }));
  }
}

SimWorld::~SimWorld() = default;

SocketId SimWorld::connect(SocketUser* client) {
  if (proxy_) return proxy_->connect(client);
  SocketUser* const backend = postgres_.new_backend();
  const auto [ours, theirs] = net_.connect(LinkKind::client, client, backend);
  postgres_.accepted(backend, theirs);
  return ours;
}

void SimWorld::inject_fault() {
  if (!faults_on_) return;
  const Faults& faults = scenario_.faults;
  ++checks_.counts.faults;
  switch (random_.below(6)) {
    case 0:
      if (faults.cut_clients && net_.cut_some(LinkKind::client))
        schedule_.trace("fault: the link of a client breaks");
      break;
    case 1:
      if (faults.cut_servers && net_.cut_some(LinkKind::server))
        schedule_.trace("fault: the link of a server breaks");
      break;
    case 2:
      if (faults.stalls)
        net_.stall_some(random_.chance(500) ? LinkKind::client : LinkKind::server, random_.up_to(400ms));
      break;
    case 3:
      if (faults.kill_backends) postgres_.kill_some_backend();
      break;
    case 4:
      if (faults.crashes && random_.chance(200)) postgres_.crash(random_.up_to(300ms), random_.up_to(200ms));
      break;
    default:
      if (faults.few_connections) postgres_.set_max_connections(random_.between(0, 6));
      break;
  }
  schedule_.after(random_.up_to(faults.every * 2), [this] { inject_fault(); });
}

void SimWorld::end_faults() {
  faults_on_ = false;
  postgres_.set_trouble(0, 0, 0);
  postgres_.set_max_connections(plenty_of_connections);
  schedule_.trace("the faults end");
}

void SimWorld::inspect() {
  if (proxy_) proxy_->inspect();
  schedule_.after(50ms, [this] { inspect(); });
}

bool SimWorld::all_finished() const {
  return std::all_of(clients_.begin(), clients_.end(), [](const auto& client) { return client->finished(); });
}

template <class Done>
bool SimWorld::run_until(Done done, Instant limit) {
  while (!schedule_.failed() && schedule_.now() < limit) {
    if (done()) return true;
    if (!schedule_.run_one()) return done();
  }
  return false;
}

void SimWorld::run_phases() {
  const Instant begin = schedule_.now();
  if (scenario_.faults.every > Duration::zero()) {
    faults_on_ = true;
    const Faults& faults = scenario_.faults;
    postgres_.set_trouble(faults.refuse_of_thousand, faults.silent_of_thousand,
                          faults.login_stall_of_thousand);
    inject_fault();
    schedule_.at(begin + scenario_.until, [this] { end_faults(); });
  }
  for (const Reload& reload : scenario_.reloads) {
    schedule_.at(begin + reload.at, [this, &reload] {
      if (!proxy_) return;
      checks_.limits_changed(reload.limits);
      proxy_->reload(reload.settings);
    });
  }
  inspect();
  for (const auto& client : clients_) client->start(random_.up_to(random_.chance(500) ? 1ms : 300ms));

  if (!run_until([this] { return all_finished(); }, begin + scenario_.until + patience)) {
    return schedule_.fail("I9: not everybody has finished");
  }
  if (!proxy_) return;
  if (faults_on_) end_faults();
  const auto left = [this] {
    for (const std::string& text : {proxy_->leftovers(), postgres_.restless(), checks_.over_limit()})
      if (!text.empty()) return text;
    return std::string();
  };
  if (!run_until([&] { return left().empty(); }, schedule_.now() + settling)) {
    return schedule_.fail("I8: after the last client had gone, " + left());
  }
  proxy_->drain();
  if (!run_until([this] { return proxy_->drained(); }, schedule_.now() + settling))
    schedule_.fail("I9: the drain does not end");
}

RunResult SimWorld::run() {
  const Instant begin = schedule_.now();
  run_phases();
  return {.good = !schedule_.failed(),
          .failure = schedule_.failure(),
          .hash = schedule_.hash(),
          .events = schedule_.events(),
          .simulated = schedule_.now() - begin,
          .counts = checks_.counts};
}

void SimWorld::print(std::FILE* out) const {
  schedule_.print_trace(out);
  for (const auto& client : clients_) {
    if (!client->finished()) std::fprintf(out, "%s\n", client->where().c_str());
  }
  if (proxy_) std::fprintf(out, "%s", proxy_->where().c_str());
}

}  // namespace pgweir::sim
