#include "pool/state_codec.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "pool/crc32c.h"
#include "pool/window_codec.h"

namespace pgweir {

namespace {

constexpr std::string_view magic{"pgweir\x1a", 7};
constexpr std::size_t header_size = magic.size() + 1;
constexpr std::size_t frame = 9;  // length, checksum, kind
constexpr std::size_t longest_payload = std::size_t{32} << 20;
constexpr std::size_t longest_name = 8192;  // a StartupMessage is not longer
constexpr std::size_t longest_text = 65536;
constexpr int most_size = 1 << 20;
constexpr std::size_t most_listed_classes = most_trace_classes + 1;  // and "none"
constexpr std::size_t most_incidents = 10'000;

// Never given another meaning.
enum class Record : std::uint8_t {
  run = 1,
  minute = 2,
  period = 3,
  trace = 4,
  profile = 5,
  host = 6,
  advice = 7,
};

void write(ByteWriter& out, const Route& route) {
  out.text(route.database);
  out.text(route.user);
}

Route read_route(ByteReader& in) {
  Route route;
  route.database = in.text(longest_name);
  route.user = in.text(longest_name);
  return route;
}

void write(ByteWriter& out, std::optional<int> value) {
  out.number(value ? static_cast<std::uint64_t>(std::max(*value, 0)) + 1 : 0);
}

std::optional<int> read_optional(ByteReader& in) {
  const int value = in.small(most_size);
  return value > 0 ? std::optional(value - 1) : std::nullopt;
}

void write(ByteWriter& out, std::optional<double> value) {
  out.byte(value ? 1 : 0);
  if (value) out.real(*value);
}

std::optional<double> read_optional_real(ByteReader& in) {
  return in.byte() != 0 ? std::optional(in.real()) : std::nullopt;
}

Record write(ByteWriter& out, const RunEntry& entry, const WallClock& clock) {
  clock.write(out, entry.start);
  clock.write(out, entry.until);
  return Record::run;
}

Record write(ByteWriter& out, const MinuteEntry& entry, const WallClock& clock) {
  write(out, entry.route);
  write(out, *entry.minute, clock);
  return Record::minute;
}

Record write(ByteWriter& out, const PeriodEntry& entry, const WallClock& clock) {
  write(out, entry.route);
  out.byte(static_cast<std::uint8_t>(entry.tier));
  write(out, *entry.period, clock);
  return Record::period;
}

Record write(ByteWriter& out, const TraceEntry& entry, const WallClock& clock) {
  write(out, entry.route);
  out.number(entry.classes.size());
  for (const std::uint64_t id : entry.classes) out.number(id);
  write(out, *entry.trace, clock);
  return Record::trace;
}

Record write(ByteWriter& out, const ProfileEntry& entry, const WallClock& clock) {
  const PoolProfile& profile = *entry.profile;
  write(out, entry.route);
  out.text(profile.host);
  clock.write(out, profile.now);
  for (const int value : {profile.pool_size, profile.reserve_pool_size, profile.min_pool_size,
                          profile.connected_clients, profile.instances})
    out.number(static_cast<std::uint64_t>(std::max(value, 0)));
  write(out, profile.limit);
  out.span(profile.target_wait);
  out.real(profile.headroom);
  out.real(profile.weight);
  write(out, profile.measure, clock);
  out.number(profile.incidents.size());
  for (const Instant at : profile.incidents) clock.write(out, at);
  out.number(profile.classes.size());
  for (const StatementClass& it : profile.classes) {
    out.number(it.fingerprint);
    out.text(it.name);
  }
  for (const TrialResult::Side& it : {profile.measure.trials.all, profile.measure.trials.some}) {
    out.number(static_cast<std::uint64_t>(it.servers));
    out.span(it.time);
    out.number(it.releases);
  }
  return Record::profile;
}

ProfileEntry read_profile(ByteReader& in, const WallClock& clock) {
  Route route = read_route(in);
  PoolProfile profile;
  profile.pool = name_of(route);
  profile.wall_offset = clock.offset;
  profile.host = in.text(longest_text);
  profile.now = clock.read(in);
  for (int* const value : {&profile.pool_size, &profile.reserve_pool_size, &profile.min_pool_size,
                           &profile.connected_clients, &profile.instances})
    *value = in.small(most_size);
  profile.limit = read_optional(in);
  profile.target_wait = in.span();
  profile.headroom = in.real();
  profile.weight = in.real();
  profile.measure = read_measure(in, clock);
  const std::uint64_t incidents = in.number(most_incidents);
  for (std::uint64_t i = 0; i < incidents && in.ok(); ++i) profile.incidents.push_back(clock.read(in));
  const std::uint64_t classes = in.number(most_listed_classes);
  for (std::uint64_t i = 0; i < classes && in.ok(); ++i) {
    const std::uint64_t fingerprint = in.number();
    profile.classes.push_back({fingerprint, in.text(longest_text)});
  }
  // Profiles of earlier versions end here.
  for (TrialResult::Side* const it : {&profile.measure.trials.all, &profile.measure.trials.some}) {
    if (in.left() == 0) break;
    it->servers = in.small(most_size);
    it->time = in.span();
    it->releases = in.number();
  }
  return {std::move(route), std::make_shared<const PoolProfile>(std::move(profile))};
}

Record write(ByteWriter& out, const HostEntry& entry, const WallClock& clock) {
  const HostProfile& host = entry.host;
  out.text(host.name);
  write(out, host.max_connections);
  out.number(static_cast<std::uint64_t>(std::max(host.reserved_connections, 0)));
  write(out, host.other_connections);
  write(out, host.other_executing);
  write(out, host.lock_waiting);
  write(out, host.cores);
  out.number(host.evidence.size());
  for (const SpeedEvidence& it : host.evidence) write(out, it, clock);
  return Record::host;
}

HostEntry read_host(ByteReader& in, const WallClock& clock) {
  HostProfile host;
  host.name = in.text(longest_text);
  host.max_connections = read_optional(in);
  host.reserved_connections = in.small(most_size);
  host.other_connections = read_optional(in);
  host.other_executing = read_optional_real(in);
  host.lock_waiting = read_optional_real(in);
  host.cores = read_optional(in);
  const std::uint64_t evidence = in.number(State::most_evidence);
  for (std::uint64_t i = 0; i < evidence && in.ok(); ++i) host.evidence.push_back(read_evidence(in, clock));
  return {std::move(host)};
}

Record write(ByteWriter& out, const AdviceEntry& entry, const WallClock& clock) {
  write(out, entry.route);
  clock.write(out, entry.at);
  out.byte(static_cast<std::uint8_t>(entry.kind));
  out.number(static_cast<std::uint64_t>(std::max(entry.from, 0)));
  out.number(static_cast<std::uint64_t>(std::max(entry.to, 0)));
  out.text(entry.text);
  out.number(static_cast<std::uint64_t>(std::max(entry.configured, 0)));
  out.byte(static_cast<std::uint8_t>(entry.effect));
  out.byte(entry.by_autopilot ? 1 : 0);
  return Record::advice;
}

AdviceEntry read_advice(ByteReader& in, const WallClock& clock) {
  AdviceEntry entry;
  entry.route = read_route(in);
  entry.at = clock.read(in);
  const std::uint8_t kind = in.byte();
  if (kind > static_cast<std::uint8_t>(AdviceEntry::Kind::checked)) in.fail();
  if (in.ok()) entry.kind = static_cast<AdviceEntry::Kind>(kind);
  entry.from = in.small(most_size);
  entry.to = in.small(most_size);
  entry.text = in.text(longest_text);
  entry.configured = in.small(most_size);
  const std::uint8_t effect = in.byte();
  if (effect > static_cast<std::uint8_t>(AdviceEntry::Effect::unclear)) in.fail();
  if (in.ok()) entry.effect = static_cast<AdviceEntry::Effect>(effect);
  const std::uint8_t by_autopilot = in.byte();
  if (by_autopilot > 1) in.fail();
  entry.by_autopilot = by_autopilot == 1;
  return entry;
}

TraceEntry read_trace_entry(ByteReader& in, const WallClock& clock) {
  TraceEntry entry;
  entry.route = read_route(in);
  const std::uint64_t classes = in.number(most_listed_classes);
  for (std::uint64_t i = 0; i < classes && in.ok(); ++i) entry.classes.push_back(in.number());
  entry.trace = std::make_shared<const TraceSegment>(read_trace(in, clock));
  return entry;
}

PeriodEntry read_period_entry(ByteReader& in, const WallClock& clock) {
  PeriodEntry entry;
  entry.route = read_route(in);
  const std::uint8_t tier = in.byte();
  if (tier >= tiers) in.fail();
  if (in.ok()) entry.tier = static_cast<Tier>(tier);
  entry.period = std::make_shared<const Period>(read_period(in, clock));
  return entry;
}

// Nothing: not known, or not possible.
std::optional<StateEntry> read_entry(Record kind, std::string_view payload, const WallClock& clock) {
  ByteReader in(payload);
  std::optional<StateEntry> entry;
  switch (kind) {
    case Record::run: {
      RunEntry run;
      run.start = clock.read(in);
      run.until = clock.read(in);
      entry = run;
      break;
    }
    case Record::minute: {
      MinuteEntry minute{read_route(in), {}};
      minute.minute = std::make_shared<const MinuteWindow>(read_window(in, clock));
      entry = std::move(minute);
      break;
    }
    case Record::period:
      entry = read_period_entry(in, clock);
      break;
    case Record::trace:
      entry = read_trace_entry(in, clock);
      break;
    case Record::profile:
      entry = read_profile(in, clock);
      break;
    case Record::host:
      entry = read_host(in, clock);
      break;
    case Record::advice:
      entry = read_advice(in, clock);
      break;
  }
  return in.complete() ? std::move(entry) : std::nullopt;
}

}  // namespace

std::string state_header() { return std::string(magic) + static_cast<char>(state_version); }

bool append_record(std::string& out, const StateEntry& entry, Duration wall_offset) {
  const WallClock clock{wall_offset};
  std::string body(1, '\0');
  ByteWriter writer(body);
  const Record kind = std::visit([&](const auto& it) { return write(writer, it, clock); }, entry);
  body[0] = static_cast<char>(kind);
  if (body.size() - 1 > longest_payload) return false;
  ByteWriter writer_of_frame(out);
  writer_of_frame.fixed32(static_cast<std::uint32_t>(body.size() - 1));
  writer_of_frame.fixed32(crc32c(body));
  out += body;
  return true;
}

StateRead read_state(std::string_view bytes, Duration wall_offset) {
  StateRead read{.state = State(wall_offset)};
  const std::size_t common = std::min(bytes.size(), magic.size());
  if (bytes.substr(0, common) != magic.substr(0, common)) {
    read.kind = StateRead::Kind::other;
    return read;
  }
  if (bytes.size() < header_size) return read;
  if (static_cast<unsigned char>(bytes[magic.size()]) != state_version) {
    read.kind = StateRead::Kind::newer;
    return read;
  }
  read.good = header_size;
  while (bytes.size() - read.good >= frame) {
    ByteReader head(bytes.substr(read.good, 8));
    const std::size_t length = head.fixed32();
    const std::uint32_t checksum = head.fixed32();
    if (length > longest_payload || length > bytes.size() - read.good - frame) break;
    const std::string_view body = bytes.substr(read.good + 8, length + 1);
    if (crc32c(body) != checksum) break;
    read.good += frame + length;
    const auto kind = static_cast<Record>(static_cast<unsigned char>(body[0]));
    if (const auto entry = read_entry(kind, body.substr(1), WallClock{wall_offset})) {
      read.state.add(*entry);
      ++read.records;
    } else {
      ++read.skipped;
    }
  }
  return read;
}

}  // namespace pgweir
