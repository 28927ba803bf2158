#pragma once
// Waiting for a state instead of sleeping for a time. The limit is there so that a broken state ends the
// test; it is long, since no test may depend on how fast the machine is.

#include <chrono>
#include <functional>

namespace pgweir {

inline constexpr std::chrono::milliseconds patience{30'000};

// Looks every few milliseconds until `condition` holds; false when it never did.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = patience);

}  // namespace pgweir
