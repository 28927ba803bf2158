#include "admin/replay.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pgweir {

namespace {

constexpr double end_of_time = std::numeric_limits<double>::infinity();
constexpr double no_wait = 1e-9;

double quantile(std::vector<float>& values, double q) {
  if (values.empty()) return 0;
  const auto at =
      std::min(values.size() - 1, static_cast<std::size_t>(q * static_cast<double>(values.size())));
  const auto it = values.begin() + static_cast<std::ptrdiff_t>(at);
  std::nth_element(values.begin(), it, values.end());
  return static_cast<double>(*it);
}

// What is counted while a load is replayed.
struct Tally {
  explicit Tally(std::size_t jobs) {
    waits.reserve(jobs);
    responses.reserve(jobs);
  }
  void waited(double wait) {
    waits.push_back(static_cast<float>(wait));
    waiting += wait;
    if (wait > no_wait) ++late;
  }
  ReplayResult result(double length, int size) {
    ReplayResult it;
    if (!(length > 0)) return it;
    it.throughput = static_cast<double>(done) / length;
    if (!waits.empty()) it.waited_share = static_cast<double>(late) / static_cast<double>(waits.size());
    it.mean_waiting = waiting / length;
    it.busy_share = std::min(1.0, busy / length / size);
    it.p50_wait = quantile(waits, 0.5);
    it.p99_wait = quantile(waits, 0.99);
    it.p99_response = quantile(responses, 0.99);
    return it;
  }
  std::vector<float> waits, responses;
  std::size_t done = 0, late = 0;
  double waiting = 0, busy = 0;
};

// The event of the smallest key is on top.
template <class Event>
class EventHeap {
 public:
  bool empty() const { return events_.empty(); }
  const Event& top() const { return events_.front(); }
  void reserve(std::size_t n) { events_.reserve(n); }
  void push(const Event& event) {
    events_.push_back(event);
    std::push_heap(events_.begin(), events_.end(), later);
  }
  Event pop() {
    std::pop_heap(events_.begin(), events_.end(), later);
    const Event event = events_.back();
    events_.pop_back();
    return event;
  }

 private:
  static bool later(const Event& a, const Event& b) {
    return a.key != b.key ? a.key > b.key : a.order > b.order;
  }
  std::vector<Event> events_;
};

enum class Phase : std::uint8_t { first_half, think, work, other };

struct Stage {
  double key = 0;  // an instant, or an amount of work done
  std::uint32_t order = 0;
  std::uint32_t job = 0;
  std::uint32_t client = 0;  // of the closed mode
  Phase phase = Phase::work;
  double arrival = 0;
};

struct Coming {
  double key = 0;              // when
  std::uint32_t order = 0;     // the client
  std::uint32_t position = 0;  // in its sequence
};

}  // namespace

Replay::Replay(const ReplayLoad& load, const SpeedTable& speed, ReplayMode mode)
    : load_(load), speed_(speed), mode_(mode) {
  const bool slows = std::any_of(speed.begin(), speed.end(), [](double s) { return s != 1; });
  plain_ = !slows && !mode.clients_return;
  length_ = mode.clients_return ? load.length : load.length / mode.traffic;
  if (mode.clients_return) find_clients();
}

ReplayResult Replay::at(int size) const {
  if (load_.jobs.empty()) return {};
  return plain_ ? plain(size) : played(size);
}

void Replay::find_clients() {
  const auto& jobs = load_.jobs;
  order_.resize(jobs.size());
  for (std::uint32_t i = 0; i < order_.size(); ++i) order_[i] = i;
  std::stable_sort(order_.begin(), order_.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return jobs[a].client < jobs[b].client; });
  for (std::uint32_t i = 0; i < order_.size(); ++i) {
    const ReplayJob& job = jobs[order_[i]];
    if (i == 0 || jobs[order_[i - 1]].client != job.client) clients_.push_back({i, 0, 0, job.arrival});
    ++clients_.back().count;
  }
  // More traffic: more clients of the same kind, spread evenly, each in the middle of its original's day.
  const auto own = clients_.size();
  const auto more = static_cast<std::size_t>(std::lround(static_cast<double>(own) * (mode_.traffic - 1)));
  for (std::size_t i = 0; i < more && own > 0; ++i) {
    Client copy = clients_[i * own / more % own];
    copy.begin = copy.count / 2;
    clients_.push_back(copy);
  }
}

ReplayResult Replay::plain(int size) const {
  Tally tally(load_.jobs.size());
  std::vector<double> free(static_cast<std::size_t>(size), -end_of_time);
  for (const ReplayJob& job : load_.jobs) {
    const double arrival = job.arrival / mode_.traffic;
    const double holding = job.work + job.think + job.other;
    const double start = std::max(arrival, free.front());
    const double end = start + holding;
    // The earliest is replaced by this end, which sinks to its place.
    std::size_t hole = 0;
    for (std::size_t child; (child = 2 * hole + 1) < free.size(); hole = child) {
      if (child + 1 < free.size() && free[child + 1] < free[child]) ++child;
      if (free[child] >= end) break;
      free[hole] = free[child];
    }
    free[hole] = end;
    tally.busy += std::max(0.0, std::min(end, length_) - std::clamp(start, 0.0, length_));
    if (end >= 0 && end < length_) ++tally.done;
    if (arrival < 0) continue;
    tally.waited(start - arrival);
    tally.responses.push_back(static_cast<float>(end - arrival));
  }
  return tally.result(length_, size);
}

ReplayResult Replay::played(int size) const {
  const auto& jobs = load_.jobs;
  Tally tally(jobs.size());
  EventHeap<Stage> working, pausing;  // by work done, by time
  EventHeap<Coming> coming;           // closed: the clients that think
  struct Waiting {
    double arrival;
    std::uint32_t job, client;
  };
  std::vector<Waiting> queue;
  std::size_t head = 0, next = 0;
  std::vector<std::uint32_t> positions;
  if (mode_.clients_return) {
    positions.resize(clients_.size());
    for (std::uint32_t i = 0; i < clients_.size(); ++i)
      coming.push({clients_[i].arrival, i, clients_[i].begin});
  }

  int busy = 0, executing = 0;
  std::uint32_t order = 0;
  double done_work = 0;  // by a connection that executed all the time
  double now = mode_.clients_return ? coming.top().key : jobs.front().arrival / mode_.traffic;
  // The others come in steps from the start on, whenever the first job comes.
  if (!load_.rest.empty()) now = std::min(now, 0.0);
  double rest = 0, rest_until = load_.rest.empty() ? end_of_time : now;
  const auto speed_now = [&] {
    const auto n = static_cast<std::size_t>(std::max(0L, std::lround(executing + rest)));
    return speed_[std::min(n, speed_.size() - 1)];
  };
  const auto begin = [&](std::uint32_t job, std::uint32_t client, double arrival) {
    const ReplayJob& it = jobs[job];
    if (arrival >= 0) tally.waited(now - arrival);
    ++executing;
    const bool thinks = it.think > 0;
    working.push({done_work + (thinks ? it.work / 2 : it.work), order++, job, client,
                  thinks ? Phase::first_half : Phase::work, arrival});
  };
  const auto finish = [&](const Stage& stage) {
    if (now >= 0) ++tally.done;
    if (stage.arrival >= 0) tally.responses.push_back(static_cast<float>(now - stage.arrival));
    if (mode_.clients_return) {
      const Client& client = clients_[stage.client];
      const std::uint32_t at = positions[stage.client];
      const double gap = jobs[stage.job].gap;
      coming.push({now + (gap >= 0 ? gap : load_.length), stage.client, (at + 1) % client.count});
    }
    if (head < queue.size()) {
      const Waiting waiting = queue[head++];
      if (head > 4096 && head * 2 > queue.size()) {
        queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(head));
        head = 0;
      }
      begin(waiting.job, waiting.client, waiting.arrival);
    } else {
      --busy;
    }
  };

  // Clients that do nothing between transactions of no length would never let time pass.
  const std::size_t most_done = 20 * jobs.size() + 1000;
  double end = length_;
  while (true) {
    double arrival = end_of_time;
    if (mode_.clients_return) {
      if (!coming.empty()) arrival = coming.top().key;
    } else if (next < jobs.size()) {
      arrival = jobs[next].arrival / mode_.traffic;
    }
    const double speed = speed_now();
    const double worked =
        working.empty() ? end_of_time : now + std::max(0.0, working.top().key - done_work) / speed;
    const double paused = pausing.empty() ? end_of_time : pausing.top().key;
    double at = std::min({arrival, worked, paused, rest_until});
    if (tally.done > most_done) end = std::min(end, std::max(now, 0.0));
    const bool over = at >= end;
    if (over) at = end;
    at = std::max(at, now);
    done_work += (at - now) * speed;
    if (at > 0) tally.busy += (at - std::max(now, 0.0)) * busy;
    now = at;
    if (over) break;
    if (at == rest_until) {
      const double slot = std::floor(std::max(now, 0.0) / ReplayLoad::rest_step + 0.5);
      const auto last = load_.rest.size() - 1;
      const double source = slot * mode_.traffic;
      rest = load_.rest[std::min(last, static_cast<std::size_t>(source))];
      rest_until = (slot + 1) * ReplayLoad::rest_step;
    } else if (at == arrival) {
      std::uint32_t job, client = 0;
      if (mode_.clients_return) {
        const Coming come = coming.pop();
        client = come.order;
        positions[client] = come.position;
        job = order_[clients_[client].first + come.position];
      } else {
        job = static_cast<std::uint32_t>(next++);
      }
      if (busy < size) {
        ++busy;
        begin(job, client, at);
      } else {
        queue.push_back({at, job, client});
      }
    } else if (at == paused) {
      Stage stage = pausing.pop();
      if (stage.phase == Phase::other) {
        finish(stage);
      } else {
        ++executing;
        stage.phase = Phase::work;
        stage.key = done_work + jobs[stage.job].work / 2;
        stage.order = order++;
        working.push(stage);
      }
    } else {
      Stage stage = working.pop();
      --executing;
      const ReplayJob& it = jobs[stage.job];
      stage.order = order++;
      if (stage.phase == Phase::first_half) {
        stage.phase = Phase::think;
        stage.key = now + it.think;
        pausing.push(stage);
      } else if (it.other > 0) {
        stage.phase = Phase::other;
        stage.key = now + it.other;
        pausing.push(stage);
      } else {
        finish(stage);
      }
    }
  }
  for (; head < queue.size(); ++head) {
    if (queue[head].arrival < 0) continue;
    tally.waited(end - queue[head].arrival);
    tally.responses.push_back(static_cast<float>(end - queue[head].arrival));
  }
  return tally.result(end, size);
}

}  // namespace pgweir
