#pragma once
// One pool as one worker sees it: its shard, its meter, and what was learnt from its servers.

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "pool/meter.h"
#include "pool/pin_clock.h"
#include "pool/query_classes.h"
#include "pool/route.h"
#include "pool/session_use.h"
#include "pool/shard.h"
#include "pool/snapshot.h"
#include "protocol/parameters.h"
#include "proxy/session/client_clock.h"
#include "proxy/session/error_text.h"
#include "proxy/session/host.h"
#include "proxy/session/host_choice.h"
#include "proxy/session/server_access.h"

namespace pgweir {

class ListenHub;

struct PoolEntry : ServerAccess {
  PoolEntry(Route its_route, std::string its_host, HostMeter& host_meter, Instant now);
  ~PoolEntry();

  ReplicationKind replication_kind() const {
    if (!replication) return ReplicationKind::none;
    return replication->replication == "database" ? ReplicationKind::logical : ReplicationKind::physical;
  }

  // What the host is called that its statements are measured with: that of the settings when the pool began.
  const std::string host;
  Shard shard;
  Meter meter;

  // A server that was opened for an older version of the target is not used again.
  int target_version = 0;
  HostChoice hosts;
  PoolMode mode = PoolMode::transaction;
  TimeLimitLists limits{};
  int limit_timers = 0;  // of these lists, in the engine's heap
  bool late_begin = false;
  std::array<StatePolicy, state_kinds.size()> policies{};

  // What the servers of this pool report after login: the welcome of its clients. Null before the first one.
  SharedParameters welcome;
  // Values as clients write them and as the server reports them: ("DateStyle", "iso") -> "ISO, MDY".
  std::map<Parameters::Value, std::string> canonical;

  // The last failure to get a server connection, while the last attempt failed.
  std::optional<ErrorText> failure;
  bool failure_permanent = false;

  // Another shard needs a slot of this pool.
  struct Recall {
    Instant since;
    bool same_pool;
    WorkerId to;
    bool even;
    bool closing;  // a server is being closed for it
  };
  std::optional<Recall> recall;

  std::uint64_t transactions_saved = 0;  // begun and ended without a server
  std::uint64_t late_begins = 0;         // begun at their first statement

  PinCosts pin_costs{};          // of pins that have ended; begun ones are counted
  ApplicationUses applications;  // of session mode
  QueryClasses queries;

  std::unique_ptr<ListenHub> listens;  // since a client has LISTENed

  int clients = 0;       // logged in
  int canceling = 0;     // servers kept until a cancel is settled
  int resetting = 0;     // servers whose client has left
  int cancel_dials = 0;  // connections that carry a cancel
  bool touched = false;  // in the list of pools to look at when the turn ends
};

}  // namespace pgweir
