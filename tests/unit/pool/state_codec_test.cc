#include "pool/state_codec.h"

#include <doctest/doctest.h>

#include <fstream>

#include "pool/byte_codec.h"
#include "pool/crc32c.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

constexpr Duration wall_offset = 20'000 * 24h;
const Route shop{"shop", "alice"};

MinuteWindow minute(int n, int level) {
  MinuteWindow window;
  window.start = Instant(n * 1min + 3ms);
  window.duration = 1min;
  window.idle = 1500ms;
  window.arrivals = 1000 + static_cast<std::uint64_t>(n);
  window.completions = 999;
  window.waits_by_reason[1] = {7, 70ms};
  window.gave_up[2] = 3;
  Histogram waits;
  for (int i = 0; i < 50; ++i) waits.record(i * 137us);
  window.waits = waits.pack();
  window.held.add_time(level, 40s);
  window.held.add_time(0, 20s);
  window.held.add_arrival(level);
  window.held.add_completion(level + 1);
  window.virtual_demand.add_time(level + 2, 1min);
  window.executing = 30s;
  window.idle_in_transaction = 4s;
  window.holding_seconds = 34.5;
  window.holding_seconds_squared = 78.25;
  window.trend.add_time(level, 40s);
  window.trend.add_arrival(level);
  window.highest_open = 9;
  window.highest_waiting = 4;
  window.highest_needing = 12;
  window.clients = 30;
  window.pool_size = 20;
  window.shards = 2;
  return window;
}

WindowRef ref(MinuteWindow window) { return std::make_shared<const MinuteWindow>(std::move(window)); }

PeriodRef period(Period it) { return std::make_shared<const Period>(std::move(it)); }

TraceRef trace() {
  TraceSegment segment;
  segment.start = Instant(7min);
  segment.length = 1min;
  for (int i = 0; i < 20; ++i) {
    TraceRecord record;
    record.client = static_cast<std::uint32_t>(i % 5) + 0xfffffff0u;
    record.arrival_us = i * 1000 - 5000;
    record.wait_us = i == 3 ? 0xffffffffu : 10;
    record.executing_us = 900;
    record.think_us = 5;
    record.statement_class = static_cast<std::uint8_t>(i % 2);
    record.flags = static_cast<std::uint8_t>(i == 4 ? TraceRecord::running : 0);
    record.set_other_us(0xffffffffu);
    segment.records.push_back(record);
  }
  segment.host_executing = {0, 0, 0, 4, 4, 65535, 0};
  segment.pool_size = 20;
  segment.clients = 5;
  segment.incident = true;
  return std::make_shared<const TraceSegment>(std::move(segment));
}

// One entry of every kind.
std::vector<StateEntry> entries() {
  SpeedEvidence evidence;
  evidence.start = Instant(1min);
  evidence.length = 5h;
  evidence.classes[17].resize(41);
  evidence.classes[17][1] = {100, 0.25};
  evidence.classes[17][40] = {7, 1.5};
  HostProfile host;
  host.name = "10.0.0.5:5432";
  host.evidence = {evidence};
  host.max_connections = 100;
  host.reserved_connections = 3;
  host.other_executing = 1.25;
  host.cores = 8;

  PoolProfile profile;
  profile.pool = "shop/alice";
  profile.host = host.name;
  profile.now = Instant(2h);
  profile.wall_offset = wall_offset;
  profile.pool_size = 20;
  profile.limit = 0;
  profile.target_wait = 5ms;
  profile.connected_clients = 30;
  profile.instances = 2;
  profile.incidents = {Instant(3min)};
  profile.classes = {{0, ""}, {17, "select * from t where id = $1"}};
  PoolMeasure& measure = profile.measure;
  measure.since = Instant(-5min);
  measure.now = Instant(2h);
  measure.totals.xact_count = 12345;
  measure.totals.query_time = 77s;
  measure.arrivals = 12345;
  measure.waits.record(3ms);
  measure.holdings.record(30ms);
  measure.executing.add_time(3, 50s);
  measure.open.add_time(2000, 50s);
  measure.current = minute(120, 2);

  const WindowRef busy = ref(minute(4, 8)), worst = ref(minute(5, 2));
  return {RunEntry{Instant(-5min), Instant(2h)},
          MinuteEntry{shop, ref(minute(6, 1500))},
          PeriodEntry{shop, Tier::ten_minutes, period({minute(0, 5), busy, worst, true})},
          PeriodEntry{shop, Tier::hours, period({minute(0, 5), busy, busy, false})},
          PeriodEntry{shop, Tier::days, period({minute(0, 5), nullptr, nullptr, false})},
          TraceEntry{shop, trace(), {0, 17}},
          ProfileEntry{shop, std::make_shared<const PoolProfile>(profile)},
          HostEntry{host},
          AdviceEntry{shop, Instant(1h), AdviceEntry::Kind::set, 20, 12, "smaller", 25,
                      AdviceEntry::Effect::better, true}};
}

std::string file_of(const std::vector<StateEntry>& all) {
  std::string bytes = state_header();
  for (const StateEntry& entry : all) REQUIRE(append_record(bytes, entry, wall_offset));
  return bytes;
}

std::string file_of(const State& state) {
  std::string bytes = state_header();
  state.for_each([&](const StateEntry& entry) { append_record(bytes, entry, state.wall_offset()); });
  return bytes;
}

std::string record(unsigned char kind, const std::string& payload) {
  const std::string body = static_cast<char>(kind) + payload;
  std::string bytes;
  ByteWriter out(bytes);
  out.fixed32(static_cast<std::uint32_t>(payload.size()));
  out.fixed32(crc32c(body));
  return bytes + body;
}

void same(const LevelTimes& a, const LevelTimes& b) {
  for (std::size_t slot = 0; slot < LevelTimes::max_slots; ++slot) {
    const int level = LevelTimes::level_of(slot);
    REQUIRE(a.time_at(level) == b.time_at(level));
    REQUIRE(a.arrivals_at(level) == b.arrivals_at(level));
    REQUIRE(a.completions_at(level) == b.completions_at(level));
  }
}

void same(const MinuteWindow& a, const MinuteWindow& b) {
  CHECK(a.start == b.start);
  CHECK(a.duration == b.duration);
  CHECK(a.idle == b.idle);
  CHECK(a.arrivals == b.arrivals);
  CHECK(a.completions == b.completions);
  CHECK(a.waits_by_reason[1].count == b.waits_by_reason[1].count);
  CHECK(a.waits_by_reason[1].time == b.waits_by_reason[1].time);
  CHECK(a.gave_up == b.gave_up);
  REQUIRE(a.waits.entries.size() == b.waits.entries.size());
  for (std::size_t i = 0; i < a.waits.entries.size(); ++i) {
    CHECK(a.waits.entries[i].bucket == b.waits.entries[i].bucket);
    CHECK(a.waits.entries[i].count == b.waits.entries[i].count);
  }
  CHECK(a.waits.sum == b.waits.sum);
  CHECK(a.waits.max == b.waits.max);
  same(a.held, b.held);
  same(a.virtual_demand, b.virtual_demand);
  CHECK(a.virtual_final == b.virtual_final);
  CHECK(a.executing == b.executing);
  CHECK(a.idle_in_transaction == b.idle_in_transaction);
  CHECK(a.holding_seconds == b.holding_seconds);
  CHECK(a.holding_seconds_squared == b.holding_seconds_squared);
  CHECK(a.trend.level_squared_time == b.trend.level_squared_time);
  CHECK(a.trend.arrival_levels == b.trend.arrival_levels);
  CHECK(a.highest_open == b.highest_open);
  CHECK(a.highest_waiting == b.highest_waiting);
  CHECK(a.highest_needing == b.highest_needing);
  CHECK(a.clients == b.clients);
  CHECK(a.pool_size == b.pool_size);
  CHECK(a.shards == b.shards);
}

}  // namespace

TEST_CASE("state: every kind of entry comes back as it was, also on another timeline") {
  const std::string bytes = file_of(entries());
  const StateRead read = read_state(bytes, wall_offset);
  CHECK(read.kind == StateRead::Kind::ours);
  CHECK(read.good == bytes.size());
  CHECK(read.records == entries().size());
  CHECK(read.skipped == 0);

  const State::Pool& pool = read.state.pools().at(shop);
  same(*pool.history.minutes().at(0), minute(6, 1500));
  const Period& period = *pool.history.periods(Tier::ten_minutes).at(0);
  same(period.sum, minute(0, 5));
  same(*period.busiest, minute(4, 8));
  same(*period.worst, minute(5, 2));
  CHECK(period.gap);
  CHECK(pool.history.periods(Tier::hours).at(0)->worst == pool.history.periods(Tier::hours).at(0)->busiest);
  CHECK(pool.history.periods(Tier::days).at(0)->busiest == nullptr);

  const TraceSegment& kept = *pool.traces.segments().at(0);
  const TraceRef written = trace();
  CHECK(kept.start == written->start);
  CHECK(kept.length == written->length);
  CHECK(kept.incident);
  CHECK(kept.host_executing == written->host_executing);
  REQUIRE(kept.records.size() == written->records.size());
  for (std::size_t i = 0; i < kept.records.size(); ++i) {
    const TraceRecord &a = kept.records[i], &b = written->records[i];
    CHECK(a.client == b.client);
    CHECK(a.arrival_us == b.arrival_us);
    CHECK(a.wait_us == b.wait_us);
    CHECK(a.executing_us == b.executing_us);
    CHECK(a.think_us == b.think_us);
    CHECK(a.other_code == b.other_code);
    CHECK(a.flags == b.flags);
    CHECK(pool.traces.classes().at(a.statement_class) == (b.statement_class == 0 ? 0 : 17));
  }

  const PoolProfile profile = read.state.profile(shop);
  CHECK(profile.host == "10.0.0.5:5432");
  CHECK(profile.now == Instant(2h));
  CHECK(profile.limit == 0);
  CHECK(profile.target_wait == 5ms);
  CHECK(profile.headroom == 0.2);
  CHECK(profile.instances == 2);
  CHECK(profile.incidents == std::vector{Instant(3min)});
  CHECK(profile.classes.at(1).name == "select * from t where id = $1");
  CHECK(profile.measure.totals.xact_count == 12345);
  CHECK(profile.measure.totals.query_time == 77s);
  CHECK(profile.measure.waits.quantile(1) == 3ms);
  CHECK(profile.measure.holdings.count() == 1);
  CHECK(profile.measure.open.time_at(2000) == 50s);
  same(profile.measure.current, minute(120, 2));
  CHECK(profile.measure.windows.size() == 1);

  const HostProfile& host = read.state.hosts().at("10.0.0.5:5432");
  CHECK(host.max_connections == 100);
  CHECK(host.reserved_connections == 3);
  CHECK_FALSE(host.other_connections);
  CHECK(host.other_executing == 1.25);
  CHECK_FALSE(host.lock_waiting);
  CHECK(host.cores == 8);
  const auto& levels = host.evidence.at(0).classes.at(17);
  REQUIRE(levels.size() == 41);
  CHECK(levels[1].completions == 100);
  CHECK(levels[40].exposure == 1.5);
  CHECK(read.state.advice().at(0).to == 12);
  CHECK(read.state.advice().at(0).configured == 25);
  CHECK(read.state.advice().at(0).effect == AdviceEntry::Effect::better);
  CHECK(read.state.advice().at(0).by_autopilot);
  CHECK(read.state.runs().covers(Instant(-5min), Instant(2h)));

  // What is read can be written; and a process with another clock sees the same times of day.
  CHECK(file_of(read_state(file_of(read.state), wall_offset).state) == file_of(read.state));
  const StateRead later = read_state(bytes, wall_offset + 1h);
  CHECK(later.state.pools().at(shop).history.minutes().at(0)->start == Instant(6min + 3ms - 1h));
}

TEST_CASE("state: a file torn at any byte gives the records before it") {
  const std::string bytes = file_of(entries());
  std::vector<std::size_t> ends{state_header().size()};
  for (std::size_t n = 1; n <= entries().size(); ++n) {
    const auto all = entries();
    ends.push_back(file_of({all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n)}).size());
  }
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const StateRead read = read_state(std::string_view(bytes).substr(0, size), wall_offset);
    REQUIRE(read.kind == StateRead::Kind::ours);
    std::size_t whole = 0;
    while (whole + 1 < ends.size() && ends[whole + 1] <= size) ++whole;
    REQUIRE(read.records == whole);
    REQUIRE(read.good == (size < ends[0] ? 0 : ends[whole]));
  }
}

TEST_CASE("state: a byte that is wrong ends the file there, whichever it is") {
  const std::string bytes = file_of(entries());
  for (std::size_t at = state_header().size(); at < bytes.size(); ++at) {
    std::string wrong = bytes;
    wrong[at] = static_cast<char>(wrong[at] ^ 0x41);
    const StateRead read = read_state(wrong, wall_offset);
    REQUIRE(read.good <= at);
    REQUIRE(read.records < entries().size());
  }
}

TEST_CASE("state: lengths are not believed, other files are not ours, unknown kinds are skipped") {
  CHECK(read_state(state_header() + std::string(8, '\xff') + "x", wall_offset).good == state_header().size());
  CHECK(read_state("[pool]\nsize = 3\n", wall_offset).kind == StateRead::Kind::other);
  std::string newer = state_header();
  newer.back() = 2;
  CHECK(read_state(newer, wall_offset).kind == StateRead::Kind::newer);

  const std::string bytes = state_header() + record(200, "what is to come") + file_of(entries()).substr(8);
  const StateRead read = read_state(bytes, wall_offset);
  CHECK(read.good == bytes.size());
  CHECK(read.records == entries().size());
  CHECK(read.skipped == 1);

  // A trace that claims a million records in a few bytes, and a window of a hundred years.
  const StateRead impossible =
      read_state(state_header() + record(4, std::string("\1a\1b\0\0\0\0\0\0\x80\x80\x40", 13)) +
                     record(2, "\1a\1b" + std::string(1, '\0') + "\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
                 wall_offset);
  CHECK(impossible.records == 0);
  CHECK(impossible.skipped == 2);
}

TEST_CASE("state: pools and traces are bounded, those in use longest ago go first") {
  State state(wall_offset);
  for (int i = 0; i < 300; ++i) {
    const Route route{"db" + std::to_string(i), "u"};
    state.add(MinuteEntry{route, ref(minute(i, 1))});
    auto segment = std::make_shared<TraceSegment>(*trace());
    segment->start = Instant(i * 1min);
    state.add(TraceEntry{route, segment, {0}});
  }
  CHECK(state.pools().size() == State::most_pools);
  CHECK_FALSE(state.pools().contains({"db0", "u"}));
  CHECK(state.pools().contains({"db299", "u"}));
  std::size_t traced = 0;
  for (const auto& [route, pool] : state.pools()) traced += pool.traces.segments().empty() ? 0 : 1;
  CHECK(traced == State::most_traced);
}

TEST_CASE("state: the inputs of the fuzz target, written anew when asked for") {
  const std::string path = PGWEIR_SOURCE_DIR "/tests/fuzz/corpus/state/every_kind";
  if (const char* const generate = std::getenv("PGWEIR_GENERATE"); generate != nullptr)
    std::ofstream(path, std::ios::binary) << file_of(entries());
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  // A layout that changes needs a new version, or files that are there cannot be read.
  CHECK(bytes == file_of(entries()));
}
