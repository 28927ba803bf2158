#pragma once
// What a client can leave in its session on a server, beyond its transaction. Each kind has a policy, and can
// be the reason why a client keeps its server (a pin).

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pgweir {

enum class StateKind : std::uint8_t { setting, listen, temp_table, hold_cursor, advisory_lock, prepared };

struct StateKindRow {
  StateKind kind;
  std::string_view label;
  std::string_view doc;
  std::string_view many;  // in lists, for people
  // Under the policy `track` it goes with the client from server to server; what does not is a pin.
  bool follows = false;
};

inline constexpr std::array state_kinds{
    StateKindRow{StateKind::setting, "setting", "a parameter set for the session", "parameters", true},
    StateKindRow{StateKind::listen, "listen", "LISTEN", "LISTEN", true},
    StateKindRow{StateKind::temp_table, "temp_table", "a temporary table, view or sequence",
                 "temporary tables"},
    StateKindRow{StateKind::hold_cursor, "hold_cursor", "a cursor WITH HOLD", "cursors WITH HOLD"},
    StateKindRow{StateKind::advisory_lock, "advisory_lock", "an advisory lock of the session",
                 "advisory locks"},
    StateKindRow{StateKind::prepared, "prepared", "a statement prepared by SQL, or not kept track of",
                 "statements prepared by SQL"},
};

constexpr const StateKindRow& row(StateKind kind) { return state_kinds[static_cast<std::size_t>(kind)]; }

// A set of kinds.
class StateKinds {
 public:
  constexpr StateKinds() = default;
  constexpr bool has(StateKind kind) const { return (bits_ & bit(kind)) != 0; }
  constexpr bool any() const { return bits_ != 0; }
  constexpr void add(StateKind kind) { bits_ = static_cast<std::uint8_t>(bits_ | bit(kind)); }
  constexpr void add(StateKinds others) { bits_ = static_cast<std::uint8_t>(bits_ | others.bits_); }
  constexpr void remove(StateKind kind) { bits_ = static_cast<std::uint8_t>(bits_ & ~bit(kind)); }
  constexpr void clear() { bits_ = 0; }
  static constexpr StateKinds all() {
    StateKinds kinds;
    for (const StateKindRow& it : state_kinds) kinds.add(it.kind);
    return kinds;
  }
  friend constexpr bool operator==(StateKinds, StateKinds) = default;

 private:
  static constexpr unsigned bit(StateKind kind) { return 1U << static_cast<unsigned>(kind); }

  std::uint8_t bits_ = 0;
};

static_assert([] {
  for (std::size_t i = 0; i < state_kinds.size(); ++i) {
    if (state_kinds[i].kind != static_cast<StateKind>(i)) return false;
  }
  return true;
}());

}  // namespace pgweir
