#include "admin/autopilot_brake.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "admin/words.h"
#include "pool/time.h"

namespace pgweir {
namespace {

constexpr std::size_t stretch = 4;  // minutes: three steps
constexpr double least_step = 0.03, least_fall = 0.15, least_rise = 0.3;
constexpr std::uint64_t fewest_transactions = 100;  // of a minute
constexpr Duration fresh = std::chrono::minutes(3);
constexpr Duration looked_back = std::chrono::hours(1);

double throughput(const WindowRef& it) {
  return static_cast<double>(it->completions) / in_seconds(it->duration);
}
double executing(const WindowRef& it) { return in_seconds(it->executing) / in_seconds(it->duration); }

bool whole(const WindowRef& it) {
  return it->duration >= std::chrono::seconds(50) && it->completions >= fewest_transactions;
}

bool collapses(std::span<const WindowRef> last) {
  for (std::size_t i = 1; i < last.size(); ++i) {
    if (throughput(last[i]) > throughput(last[i - 1]) * (1 - least_step)) return false;
    if (executing(last[i]) < executing(last[i - 1]) * (1 + least_step)) return false;
  }
  return throughput(last.back()) <= throughput(last.front()) * (1 - least_fall) &&
         executing(last.back()) >= executing(last.front()) * (1 + least_rise);
}

}  // namespace

std::optional<Brake> pull_brake(const std::vector<WindowRef>& minutes, int current, Instant now) {
  if (minutes.size() < stretch) return {};
  const std::span<const WindowRef> last(minutes.end() - stretch, minutes.end());
  if (!std::all_of(last.begin(), last.end(), whole)) return {};
  if (last.back()->start + last.back()->duration + fresh < now || !collapses(last)) return {};
  const WindowRef* best = &last.front();
  for (const WindowRef& it : minutes)
    if (it->start + looked_back >= now && whole(it) && throughput(it) > throughput(*best)) best = &it;
  const int knee = static_cast<int>(std::ceil((*best)->held.mean()));
  const int size = std::max({knee, (current + 1) / 2, 1});
  if (size >= current) return {};
  return Brake{size, "throughput fell from " + number_text(throughput(last.front()), 1) + " to " +
                         number_text(throughput(last.back()), 1) +
                         " transactions/s in three minutes while the executing connections rose from " +
                         number_text(executing(last.front()), 1) + " to " +
                         number_text(executing(last.back()), 1) + "; most was done with " +
                         std::to_string(knee) + " in use"};
}

}  // namespace pgweir
