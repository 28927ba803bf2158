#pragma once
// What a seed stands for: settings, weather, clients and faults, all drawn from it.

#include <memory>
#include <vector>

#include "admin/settings.h"
#include "tests/sim/checks.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/sim_postgres.h"

namespace pgweir::sim {

// Faults happen about every `every`, each kind only where it is on.
struct Faults {
  Duration every{};
  bool cut_clients = false, cut_servers = false, stalls = false;
  bool kill_backends = false, crashes = false;
  bool few_connections = false;  // the server takes fewer connections than the pools want
  unsigned refuse_of_thousand = 0, silent_of_thousand = 0, login_stall_of_thousand = 0;

  bool any_server() const {
    return cut_servers || kill_backends || crashes || few_connections ||
           refuse_of_thousand + silent_of_thousand + login_stall_of_thousand > 0;
  }
};

// New settings for a running proxy.
struct Reload {
  Duration at{};  // after the start
  std::shared_ptr<const Settings> settings;
  ConnectionLimits limits;
};

struct Scenario {
  std::uint64_t seed = 0;
  bool direct = false;
  std::shared_ptr<const Settings> settings;
  ConnectionLimits limits;
  Weather weather;
  Duration mail_latency{};
  Duration drift{};  // not 0: most clients connect to one worker, another one every `drift`
  std::vector<Reload> reloads;
  ServerAuth auth = ServerAuth::trust;
  Faults faults;
  Duration until{};  // when faults end
  ClientRules rules;
  std::vector<ClientTraits> clients;
};

struct ScenarioWish {
  std::uint64_t seed = 1;
  bool direct = false;
  int workers = 0;   // 0: drawn
  Duration until{};  // 0: drawn
};

Scenario draw_scenario(const ScenarioWish& wish);
// One line for people.
std::string describe(const Scenario& scenario);

}  // namespace pgweir::sim
