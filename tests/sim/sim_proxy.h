#pragma once
// The proxy in the simulated world: its worker cores and its control core, each behind a host that is made of
// the simulated network, and the mail between them, which is delayed and reordered between different pairs
// but not within one.

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proxy/session/control_core.h"
#include "proxy/session/worker_core.h"
#include "tests/sim/scenario.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/sim_postgres.h"

namespace pgweir::sim {

class SimProxy {
 public:
  SimProxy(Schedule& schedule, SimNet& net, SimPostgres& postgres, Checks& checks, const Scenario& scenario);
  ~SimProxy();
  SimProxy(const SimProxy&) = delete;
  SimProxy& operator=(const SimProxy&) = delete;

  // A client connects to one of the workers; its end.
  SocketId connect(SocketUser* client);
  void reload(std::shared_ptr<const Settings> settings);
  void drain();
  // Looks into the workers' snapshots for what must not be.
  void inspect();
  // A drain has ended everywhere.
  bool drained() const;
  // What is left of clients when all of them are gone: empty, or a description.
  std::string leftovers() const;
  // Most that a client waits for a server, as far as it shows; for the report.
  std::string where() const;

 private:
  class Worker;
  class Control;

  // A server that has a client and nothing to do, since when; and when it was asked something last.
  struct AtRest {
    Instant requested{}, since{};
  };

  Duration mail_delay();
  bool mail_under_way() const;

  Schedule& schedule_;
  SimNet& net_;
  SimPostgres& postgres_;
  Checks& checks_;
  const Scenario& scenario_;
  SeededRandom random_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Control> control_;
  std::map<std::int32_t, AtRest> at_rest_;  // by process id
};

}  // namespace pgweir::sim
