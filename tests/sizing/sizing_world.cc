#include "tests/sizing/sizing_world.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>

namespace pgweir::testing {

namespace {

constexpr double end_of_time = std::numeric_limits<double>::infinity();
constexpr double target = 0.010;
// The sizes among which the best is looked for.
constexpr std::array sizes{1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14,  16,
                           18, 20, 22, 25, 28, 32, 36, 40, 46, 52, 60, 70, 80, 100, 120};

Instant moment(double seconds) { return Instant(Duration(std::llround(seconds * 1e9))); }
std::uint32_t micro(double seconds) {
  return static_cast<std::uint32_t>(std::max(0LL, std::llround(seconds * 1e6)));
}

double quantile(std::vector<double>& values, double q) {
  if (values.empty()) return 0;
  const auto at =
      std::min(values.size() - 1, static_cast<std::size_t>(q * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

struct Run {
  double arrival = 0, start = -1, think_from = 0, think_to = 0, worked = 0, end = -1;
  std::uint32_t client = 0;
  WorldJob job;
};

template <class Key>
struct Later {
  bool operator()(const Key& a, const Key& b) const { return a.at != b.at ? a.at > b.at : a.order > b.order; }
};
struct Event {
  double at = 0;
  std::uint64_t order = 0;
  std::uint32_t run = 0;  // or the client that arrives
  int part = 0;           // 1: before thinking, 2: the last one, 3: neither
};
class Events {
 public:
  bool empty() const { return events_.empty(); }
  double next() const { return events_.empty() ? end_of_time : events_.front().at; }
  void push(Event event) {
    event.order = order_++;
    events_.push_back(event);
    std::push_heap(events_.begin(), events_.end(), Later<Event>{});
  }
  Event pop() {
    std::pop_heap(events_.begin(), events_.end(), Later<Event>{});
    const Event event = events_.back();
    events_.pop_back();
    return event;
  }

 private:
  std::vector<Event> events_;
  std::uint64_t order_ = 0;
};

// One run of a world.
class Player {
 public:
  Player(const SizingWorld& world, int size, std::uint64_t seed, double length)
      : world_(world), size_(size), dice_(seed), end_(length + world.quiet) {
    const double quiet = world.quiet;
    if (world.arrivals) {
      if (quiet > 0)
        for (const double at : world.arrivals(dice_, quiet))
          if (dice_.uniform() < 0.1) arrive_at(at);
      for (const double at : world.arrivals(dice_, length)) arrive_at(quiet + at);
    } else {
      const int early = std::max(2, world.clients / 12);
      for (int i = 0; i < world.clients; ++i)
        coming_.push({world.think(dice_) + (i < early ? 0 : quiet), 0, static_cast<std::uint32_t>(i), 0});
    }
    speeds_.push_back(1);
    for (int n = 1; n < 2000; ++n) speeds_.push_back(world.rate ? world.rate(n) : 1);
  }

  void play() {
    while (true) {
      const double arrival = coming_.next(), paused = pausing_.next();
      const double speed = speeds_[static_cast<std::size_t>(executing_)];
      const double worked = working_.empty() ? end_of_time : now_ + (working_.next() - done_) / speed;
      const double at = std::min({arrival, paused, worked});
      if (at > end_) break;
      done_ += (at - now_) * speed;
      pass(at);
      if (at == arrival) {
        arrived(coming_.pop().run);
      } else if (at == paused) {
        const Event event = pausing_.pop();
        if (event.part == 3) {
          finish(event.run);
        } else {
          runs[event.run].think_to = now_;
          execute(event.run, runs[event.run].job.work / 2, 2);
        }
      } else {
        worked_out(working_.pop());
      }
    }
    pass(end_);
  }

  std::vector<Run> runs;
  SpeedEvidence evidence;
  std::vector<std::uint16_t> level_samples;  // every millisecond from sample_from
  double sample_from = end_of_time;

 private:
  void arrive_at(double at) { coming_.push({at, 0, std::numeric_limits<std::uint32_t>::max(), 0}); }

  void pass(double at) {
    if (executing_ > 0)
      for (auto& [fingerprint, levels] : evidence.classes)
        if (const int own = executing_by_class_[fingerprint]; own > 0)
          cell(levels).exposure += own * (at - now_);
    while (sample_from + static_cast<double>(level_samples.size()) * 1e-3 < at)
      level_samples.push_back(static_cast<std::uint16_t>(executing_));
    now_ = at;
  }
  SpeedEvidence::Level& cell(std::vector<SpeedEvidence::Level>& levels) {
    const auto n = static_cast<std::size_t>(executing_);
    if (levels.size() <= n) levels.resize(n + 1);
    return levels[n];
  }

  void arrived(std::uint32_t client) {
    if (client == std::numeric_limits<std::uint32_t>::max()) {
      if (free_clients_.empty()) free_clients_.push_back(clients_++);
      client = free_clients_.back();
      free_clients_.pop_back();
    }
    Run run;
    run.arrival = now_;
    run.client = client;
    run.job = world_.job(dice_);
    runs.push_back(run);
    if (busy_ < size_) {
      ++busy_;
      serve(static_cast<std::uint32_t>(runs.size() - 1));
    } else {
      queue_.push_back(static_cast<std::uint32_t>(runs.size() - 1));
    }
  }
  void serve(std::uint32_t run) {
    runs[run].start = now_;
    const WorldJob& job = runs[run].job;
    execute(run, job.think > 0 ? job.work / 2 : job.work, job.think > 0 ? 1 : 2);
  }
  void execute(std::uint32_t run, double work, int part) {
    const std::uint64_t fingerprint = runs[run].job.statement_class + 1U;
    evidence.classes.try_emplace(fingerprint);
    ++executing_;
    ++executing_by_class_[fingerprint];
    working_.push({done_ + work, 0, run, part});
  }
  void worked_out(const Event& event) {
    Run& run = runs[event.run];
    const std::uint64_t fingerprint = run.job.statement_class + 1U;
    ++cell(evidence.classes[fingerprint]).completions;
    --executing_;
    --executing_by_class_[fingerprint];
    run.worked = now_;
    if (event.part == 1) {
      run.think_from = now_;
      pausing_.push({now_ + run.job.think, 0, event.run, 2});
    } else if (run.job.other > 0) {
      pausing_.push({now_ + run.job.other, 0, event.run, 3});
    } else {
      finish(event.run);
    }
  }
  void finish(std::uint32_t at) {
    Run& run = runs[at];
    run.end = now_;
    if (world_.arrivals) {
      free_clients_.push_back(run.client);
    } else {
      coming_.push({now_ + world_.think(dice_), 0, run.client, 0});
    }
    if (head_ < queue_.size()) {
      serve(queue_[head_++]);
    } else {
      --busy_;
    }
  }

  const SizingWorld& world_;
  int size_;
  Dice dice_;
  double end_;
  double now_ = 0, done_ = 0;
  int busy_ = 0, executing_ = 0;
  std::map<std::uint64_t, int> executing_by_class_;
  Events coming_, working_, pausing_;
  std::vector<std::uint32_t> queue_, free_clients_;
  std::size_t head_ = 0;
  std::uint32_t clients_ = 0;
  std::vector<double> speeds_;
};

TraceRecord record_of(const Run& run, double from, double until) {
  TraceRecord it;
  it.client = run.client;
  it.arrival_us = static_cast<std::int32_t>(std::llround((run.arrival - from) * 1e6));
  it.statement_class = run.job.statement_class;
  if (run.start < 0) {
    it.flags = TraceRecord::waiting;
    it.wait_us = micro(until - run.arrival);
    return it;
  }
  it.wait_us = micro(run.start - run.arrival);
  const bool running = run.end < 0;
  if (running) it.flags = TraceRecord::running;
  const double end = running ? until : run.end;
  double think = 0;
  if (run.think_from > 0) think = (run.think_to > 0 ? run.think_to : until) - run.think_from;
  double other = 0;
  if (run.job.other > 0 && !running) other = run.end - run.worked;
  it.think_us = micro(think);
  it.set_other_us(micro(other));
  it.executing_us = micro(end - run.start - think - other);
  return it;
}

bool meets(const WorldSummary& it) { return it.p99_wait <= target; }

std::vector<double> mixed_bursts(Dice& dice, double length) {
  std::vector<double> out;
  bool high = false;
  for (double t = 0; t < length; high = !high) {
    const double end = t + dice.exponential(high ? 0.3 : 2.0);
    const double rate = high ? 2500 : 300;
    for (double u = t + dice.exponential(1 / rate); u < end; u += dice.exponential(1 / rate))
      if (u < length) out.push_back(u);
    t = end;
  }
  return out;
}

std::vector<double> herds(Dice& dice, double length) {
  std::vector<double> out = poisson_arrivals(400)(dice, length);
  for (double t = dice.uniform(); t < length; t += 1)
    for (int i = 0; i < 25; ++i) out.push_back(t + dice.uniform() * 0.001);
  std::sort(out.begin(), out.end());
  while (!out.empty() && out.back() >= length) out.pop_back();
  return out;
}

std::vector<SizingWorld> make_worlds() {
  const auto exponential = [](double mean) {
    return [mean](Dice& dice) { return WorldJob{dice.exponential(mean), 0, 0}; };
  };
  const auto lognormal = [](double mean, double spread) {
    return [=](Dice& dice) { return WorldJob{dice.lognormal(mean, spread), 0, 0}; };
  };
  const auto bimodal = [](Dice& dice) {
    if (dice.uniform() < 0.005) return WorldJob{dice.exponential(1.0), 0, 1};
    return WorldJob{dice.exponential(0.003), 0, 0};
  };
  const auto idle = [](Dice& dice) {
    const double work = dice.exponential(0.003);
    return WorldJob{work, dice.lognormal(0.012, 1.5), 0};
  };
  const auto think = [](double mean) { return [mean](Dice& dice) { return dice.exponential(mean); }; };
  std::vector<SizingWorld> worlds;
  const auto open = [&](std::string name, auto job, auto arrivals, std::function<double(double)> rate = {}) {
    worlds.push_back({.name = std::move(name), .job = job, .arrivals = arrivals, .rate = std::move(rate)});
  };
  const auto closed = [&](std::string name, auto job, int clients, double pause, double length, double quiet,
                          std::function<double(double)> rate = {}) {
    worlds.push_back({.name = std::move(name),
                      .job = job,
                      .clients = clients,
                      .think = think(pause),
                      .rate = std::move(rate),
                      .length = length,
                      .quiet = quiet});
  };
  open("poisson", exponential(0.010), poisson_arrivals(800));
  open("lognormal", lognormal(0.010, 4), poisson_arrivals(800));
  open("bimodal", bimodal, poisson_arrivals(800));
  open("bursty", exponential(0.010), mixed_bursts);
  open("herd", exponential(0.010), herds);
  open("idle_in_tx", idle, poisson_arrivals(500));
  closed("closed", lognormal(0.010, 1.5), 60, 0.06, 30, 0);
  open("usl_open", exponential(0.008), poisson_arrivals(800), usl_rate(0.03, 0.002));
  closed("usl_closed", exponential(0.008), 100, 0.02, 30, 10, usl_rate(0.03, 0.002));
  closed("cpu4_closed", exponential(0.005), 50, 0.01, 25, 10, cores_rate(4, 0.002));
  open("cpu4_open", exponential(0.005), poisson_arrivals(560), cores_rate(4, 0.002));
  closed("hot_row", exponential(0.004), 40, 0.01, 30, 10, usl_rate(0.5, 0.002));
  return worlds;
}

}  // namespace

double Dice::uniform() { return static_cast<double>(bits_() >> 11) * 0x1.0p-53; }
double Dice::exponential(double mean) { return -mean * std::log(1 - uniform()); }
double Dice::lognormal(double mean, double spread) {
  const double variance = std::log(1 + spread);
  const double normal = std::sqrt(-2 * std::log(1 - uniform())) * std::cos(6.283185307179586 * uniform());
  return std::exp(std::log(mean) - variance / 2 + std::sqrt(variance) * normal);
}

std::function<std::vector<double>(Dice&, double)> poisson_arrivals(double rate) {
  return [rate](Dice& dice, double length) {
    std::vector<double> out;
    for (double t = dice.exponential(1 / rate); t < length; t += dice.exponential(1 / rate)) out.push_back(t);
    return out;
  };
}
std::function<double(double)> usl_rate(double contention, double coherency) {
  return [=](double n) { return 1 / (1 + contention * (n - 1) + coherency * n * (n - 1)); };
}
std::function<double(double)> cores_rate(int cores, double coherency) {
  return [=](double n) { return std::min(1.0, cores / n) / (1 + coherency * n); };
}

const std::vector<SizingWorld>& sizing_worlds() {
  static const std::vector<SizingWorld> worlds = make_worlds();
  return worlds;
}
const SizingWorld& sizing_world(const std::string& name) {
  for (const SizingWorld& world : sizing_worlds())
    if (world.name == name) return world;
  throw std::out_of_range("no world " + name);
}

Observation observe(const SizingWorld& world, int size, std::uint64_t seed, double length, bool record) {
  Observation seen;
  Player player(world, size, seed, length);
  const double from = world.quiet + length * 0.1, until = world.quiet + length;
  if (record) player.sample_from = from;
  player.play();

  std::vector<double> waits, responses;
  std::size_t done = 0;
  for (const Run& run : player.runs) {
    if (run.end >= from) ++done;
    if (run.arrival < from) continue;
    if (run.end < 0 && run.start >= 0) continue;
    waits.push_back((run.start < 0 ? until : run.start) - run.arrival);
    responses.push_back((run.end < 0 ? until : run.end) - run.arrival);
  }
  seen.summary.throughput = static_cast<double>(done) / (until - from);
  seen.summary.p99_wait = quantile(waits, 0.99);
  seen.summary.p99_response = quantile(responses, 0.99);
  if (!record) return seen;

  const double history = 2 * 86400;
  auto trace = std::make_shared<TraceSegment>();
  trace->start = moment(history);
  trace->length = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(until - from));
  trace->pool_size = size;
  trace->clients = world.clients;
  for (const Run& run : player.runs)
    if (run.end < 0 || run.end > from) trace->records.push_back(record_of(run, from, until));
  trace->host_executing = std::move(player.level_samples);
  PoolProfile& profile = seen.profile;
  profile.pool = "shop/api";
  profile.host = seen.host.name = "db1";
  profile.pool_size = size;
  profile.headroom = 0;
  profile.connected_clients = world.clients;
  profile.now = moment(history + until - from);
  profile.measure.since = moment(0);
  profile.measure.now = profile.now;
  profile.traces.push_back(trace);
  player.evidence.start = moment(history - world.quiet);
  player.evidence.length = profile.now - player.evidence.start;
  seen.host.evidence.push_back(std::move(player.evidence));
  return seen;
}

const WorldSummary& Truth::at(int size) {
  auto [it, added] = rows_.try_emplace(size);
  if (added) {
    const double length = world_.length * 1.5;
    for (const std::uint64_t seed : {101u, 102u}) {
      const WorldSummary one = observe(world_, size, seed, length, false).summary;
      it->second.throughput += one.throughput / 2;
      it->second.p99_wait += one.p99_wait / 2;
      it->second.p99_response += one.p99_response / 2;
    }
  }
  return it->second;
}

int Truth::best() {
  if (best_ > 0) return best_;
  int flat = 0;
  std::vector<int> tried;
  for (const int size : sizes) {
    flat = at(size).p99_wait < 1e-6 ? flat + 1 : 0;
    tried.push_back(size);
    if (flat == 3) break;
  }
  double throughput = 0, response = end_of_time;
  for (const int size : tried) throughput = std::max(throughput, at(size).throughput);
  const auto enough = [&](int size) { return at(size).throughput >= 0.95 * throughput; };
  for (const int size : tried)
    if (enough(size)) response = std::min(response, at(size).p99_response);
  for (const int size : tried)
    if (best_ == 0 && enough(size) && meets(at(size)) && at(size).p99_response <= 1.10 * response)
      best_ = size;
  for (const int size : tried)
    if (best_ == 0 && enough(size) && at(size).p99_response <= 1.05 * response) best_ = size;
  if (best_ == 0) best_ = tried.back();
  return best_;
}

bool Truth::acceptable(int size) {
  return throughput_regret(size) <= 0.05 && response_regret(size) <= 0.10 &&
         (!meets(at(best())) || meets(at(size)));
}

}  // namespace pgweir::testing
