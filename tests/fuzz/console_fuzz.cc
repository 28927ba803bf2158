// A query to the console: whatever it is, the plan names what it reads, and the answer is a sequence of whole
// messages that ends in ReadyForQuery. The first byte chooses the user's rights.

#include <cstdint>
#include <cstdlib>

#include "admin/console.h"
#include "admin/settings_table.h"
#include "protocol/backend.h"
#include "protocol/reader.h"

namespace {

using namespace pgweir;

const Settings& settings() {
  static const Settings all = settings_by_default();
  return all;
}

std::vector<WorkerSnapshot> two_workers() {
  std::vector<WorkerSnapshot> workers(2);
  for (std::uint32_t i = 0; i < 2; ++i) {
    workers[i].worker = WorkerId{i};
    PoolSnapshot pool;
    pool.database = "shop";
    pool.user = "alice";
    pool.pool_size = 5;
    pool.measure.since = Instant(std::chrono::seconds(1));
    pool.measure.held.add_time(3, std::chrono::seconds(1));
    pool.measure.waits.record(std::chrono::milliseconds(2));
    workers[i].pools.push_back(std::move(pool));
    workers[i].clients.emplace_back();
    workers[i].servers.emplace_back();
  }
  return workers;
}

// The types of the messages; the process ends when the bytes are anything else.
std::string message_types(Bytes bytes) {
  std::string types;
  while (!bytes.empty()) {
    Reader head(bytes);
    types += static_cast<char>(head.u8());
    const std::uint32_t size = head.u32();
    if (!head.ok() || size < 4 || size - 4 > head.left()) std::abort();
    bytes.remove_prefix(size + 1);
  }
  return types;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto rights = static_cast<ConsolePrivilege>(data[0] % 3);
  const Bytes query(reinterpret_cast<const char*>(data) + 1, size - 1);
  const ConsolePlan plan = plan_console(query);
  if (plan.parts != SnapshotParts{} && !plan.needs_snapshots) std::abort();

  World world{.settings = settings()};
  world.now = Instant(std::chrono::hours(1));
  if (plan.needs_snapshots) world.workers = two_workers();
  const ConsoleResult result = answer_console(query, rights, world);
  const std::string types = message_types(result.bytes);

  if (rights == ConsolePrivilege::none) {
    if (result.action != ConsoleAction::close || types != "E") std::abort();
  } else if (result.action == ConsoleAction::reload) {
    if (rights != ConsolePrivilege::admin || !types.empty()) std::abort();
  } else {
    if (result.action != ConsoleAction::none && rights != ConsolePrivilege::admin) std::abort();
    if (types.find('Z') != types.size() - 1) std::abort();
    const auto errors = types.find('E');
    if (errors != std::string::npos && types.substr(errors) != "EZ") std::abort();
  }
  message_types(reload_reply(rights == ConsolePrivilege::admin, query));
  return 0;
}
