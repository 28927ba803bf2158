#pragma once
// Alerts that need no history beyond the last minute. Each gives nothing while all is well. Pure.

#include <optional>
#include <string>

#include "admin/alerts/alert.h"
#include "admin/settings.h"
#include "pool/pulse.h"
#include "pool/snapshot.h"

namespace pgweir {

// `share`: servers of the pool in use on average over the last minute, 1 is all; `percent`: the threshold.
std::optional<AlertFinding> judge_pool_utilisation(const std::string& pool, double share, int size,
                                                   int percent);
std::optional<AlertFinding> judge_client_utilisation(int clients, int most, int percent);
// `asked`: a server is wanted, or was within the last minute.
std::optional<AlertFinding> judge_server(const PoolSnapshot& pool, const std::string& name, bool asked,
                                         Instant now);
// `refused`: clients told in the last minute that no connection could be opened, for pools that never had
// one: they are forgotten with their clients, so that no pool is there to be judged.
std::optional<AlertFinding> judge_refusals(std::uint64_t refused);
// `refused`: requests sent away in the last minute.
std::optional<AlertFinding> judge_queue(const std::string& pool, std::uint64_t refused, int waiting,
                                        int max_queue);
std::optional<AlertFinding> judge_budget(const std::string& host, int pool_sizes, int allowed);

}  // namespace pgweir
