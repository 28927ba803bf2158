#include "pool/placement.h"

#include <algorithm>
#include <cstdint>

namespace pgweir {

namespace {

// FNV-1a: std::hash may differ between builds, and a simulation must not.
std::uint64_t hash(std::string_view text, std::uint64_t seed) {
  for (char c : text) seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return seed;
}

}  // namespace

std::vector<WorkerId> placement(const Route& route, int pool_size, int workers) {
  const int hosts = std::clamp(pool_size / 8, 1, workers);
  const std::uint64_t start = hash(route.user, hash(route.database, 0xcbf29ce484222325) * 31);
  std::vector<WorkerId> result;
  for (int i = 0; i < hosts; ++i) {
    result.push_back({static_cast<std::uint32_t>((start + static_cast<std::uint64_t>(i)) %
                                                 static_cast<std::uint64_t>(workers))});
  }
  return result;
}

int part_of(int whole, const std::vector<WorkerId>& hosts, WorkerId worker) {
  const auto count = static_cast<int>(hosts.size());
  const auto place = static_cast<int>(std::find(hosts.begin(), hosts.end(), worker) - hosts.begin());
  if (place == count) return 0;
  return whole / count + (place < whole % count ? 1 : 0);
}

}  // namespace pgweir
