#pragma once
// Distinct id types, so that the compiler stops a mix-up. An id names a place in a table and how often that
// place was used before, so that an id of something that is gone never finds its successor.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace pgweir {

template <class Tag>
struct Id {
  std::uint32_t slot = UINT32_MAX;
  std::uint32_t generation = 0;

  constexpr bool valid() const { return slot != UINT32_MAX; }
  constexpr std::uint64_t number() const { return std::uint64_t{generation} << 32 | slot; }
  friend constexpr auto operator<=>(const Id&, const Id&) = default;
};

// A connection of one worker: a client, a server, or a cancel on its way to a server.
using ConnId = Id<struct ConnTag>;

// A worker thread, numbered from 0.
struct WorkerId {
  std::uint32_t value = 0;
  friend constexpr auto operator<=>(const WorkerId&, const WorkerId&) = default;
};

}  // namespace pgweir

template <class Tag>
struct std::hash<pgweir::Id<Tag>> {
  std::size_t operator()(const pgweir::Id<Tag>& id) const noexcept {
    return std::hash<std::uint64_t>{}(id.number());
  }
};
