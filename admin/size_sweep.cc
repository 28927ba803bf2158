#include "admin/size_sweep.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace pgweir {

namespace {

constexpr double nearly_all = 0.95;      // of the throughput
constexpr double close_response = 1.10;  // when the target is met
constexpr double best_response = 1.05;   // when it cannot be
constexpr std::array<int, 9> small_sizes{1, 2, 3, 4, 6, 8, 11, 14, 18};

int next_coarse(int size) {
  for (const int it : small_sizes)
    if (it > size) return it;
  return size + size * 2 / 5;
}

int next_fine(int size) { return size < 20 ? size + 1 : size + std::max(1, size * 6 / 100); }

}  // namespace

void SizeSweep::add(const ReplayLoad& load, const SpeedTable& speed, ReplayMode mode) {
  replays_.push_back(std::make_unique<Replay>(load, speed, mode));
}

const std::vector<ReplayResult>& SizeSweep::at(int size) {
  auto [it, added] = results_.try_emplace(size);
  if (added)
    for (const auto& replay : replays_) it->second.push_back(replay->at(size));
  return it->second;
}

ReplayResult SizeSweep::worst_at(int size) {
  ReplayResult worst;
  bool first = true;
  for (const ReplayResult& it : at(size)) {
    worst.throughput = first ? it.throughput : std::min(worst.throughput, it.throughput);
    worst.p50_wait = std::max(worst.p50_wait, it.p50_wait);
    worst.p99_wait = std::max(worst.p99_wait, it.p99_wait);
    worst.p99_response = std::max(worst.p99_response, it.p99_response);
    worst.waited_share = std::max(worst.waited_share, it.waited_share);
    worst.mean_waiting = std::max(worst.mean_waiting, it.mean_waiting);
    worst.busy_share = std::max(worst.busy_share, it.busy_share);
    first = false;
  }
  return worst;
}

SizeSweep::Best SizeSweep::best() const {
  Best best;
  best.throughput.assign(replays_.size(), 0);
  best.response.assign(replays_.size(), HUGE_VAL);
  for (const auto& [size, results] : results_)
    for (std::size_t i = 0; i < results.size(); ++i)
      best.throughput[i] = std::max(best.throughput[i], results[i].throughput);
  for (const auto& [size, results] : results_) {
    bool enough = true;
    for (std::size_t i = 0; i < results.size(); ++i)
      enough = enough && results[i].throughput >= nearly_all * best.throughput[i];
    if (!enough) continue;
    for (std::size_t i = 0; i < results.size(); ++i)
      best.response[i] = std::min(best.response[i], results[i].p99_response);
  }
  // Of loads that differ no size may have nearly all the throughput of each.
  for (std::size_t i = 0; i < best.response.size(); ++i)
    if (best.response[i] == HUGE_VAL)
      for (const auto& [size, results] : results_)
        best.response[i] = std::min(best.response[i], results[i].p99_response);
  return best;
}

SizeRow SizeSweep::row_of(int size, const std::vector<ReplayResult>& results, const Best& best) const {
  SizeRow row;
  row.size = size;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (best.throughput[i] > 0)
      row.throughput_share = std::min(row.throughput_share, results[i].throughput / best.throughput[i]);
    row.p99_wait = std::max(row.p99_wait, results[i].p99_wait);
    if (best.response[i] > 0)
      row.response_ratio = std::max(row.response_ratio, results[i].p99_response / best.response[i]);
  }
  row.enough_throughput = row.throughput_share >= nearly_all;
  return row;
}

SizeRow SizeSweep::row(int size) {
  const auto& results = at(size);
  return row_of(size, results, best());
}

std::vector<int> SizeSweep::sizes() const {
  std::vector<int> sizes;
  for (const auto& [size, results] : results_) sizes.push_back(size);
  return sizes;
}

bool SizeSweep::is_flat(int size) {
  const auto& results = at(size);
  return std::all_of(results.begin(), results.end(),
                     [](const ReplayResult& it) { return it.p99_wait < 1e-6; });
}

SizeChoice SizeSweep::pick() const {
  const Best against = best();
  std::vector<SizeRow> rows;
  for (const auto& [size, results] : results_) rows.push_back(row_of(size, results, against));
  SizeChoice choice;
  const auto meets = [&](const SizeRow& row) {
    return row.enough_throughput && row.p99_wait <= target_wait_ && row.response_ratio <= close_response;
  };
  const auto soonest = [](const SizeRow& row) {
    return row.enough_throughput && row.response_ratio <= best_response;
  };
  auto chosen = std::find_if(rows.begin(), rows.end(), meets);
  choice.target_met = chosen != rows.end();
  if (!choice.target_met) chosen = std::find_if(rows.begin(), rows.end(), soonest);
  if (chosen == rows.end()) --chosen;
  choice.size = choice.from = choice.to = chosen->size;
  for (auto it = chosen; it != rows.end(); ++it) {
    const bool as_good = it->enough_throughput && it->response_ratio <= chosen->response_ratio * 1.05 &&
                         (!choice.target_met || it->p99_wait <= target_wait_);
    if (!as_good) break;
    choice.to = it->size;
  }
  for (auto it = chosen; it != rows.begin() && !choice.target_met;) {
    --it;
    if (!it->enough_throughput || it->response_ratio > chosen->response_ratio * 1.05) break;
    choice.from = it->size;
  }
  return choice;
}

SizeChoice SizeSweep::choose() {
  int flat = 0;
  for (int size = 1; size <= largest_ && flat < 2; size = next_coarse(size))
    flat = is_flat(size) ? flat + 1 : 0;
  if (flat < 2) at(largest_);
  SizeChoice choice = pick();
  for (int round = 0; round < 2; ++round) {
    const auto chosen = results_.find(choice.size);
    const int below = chosen == results_.begin() ? 0 : std::prev(chosen)->first;
    const int above =
        choice.target_met || std::next(chosen) == results_.end() ? choice.size : std::next(chosen)->first;
    for (int size = next_fine(below); size < above; size = next_fine(size)) at(size);
    const SizeChoice closer = pick();
    const bool settled = closer.size == choice.size;
    choice = closer;
    if (settled) break;
  }
  return choice;
}

}  // namespace pgweir
