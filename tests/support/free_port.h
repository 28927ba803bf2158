#pragma once

namespace pgweir {

// A TCP port that nobody listens on at 127.0.0.1, below the range that the kernel gives to outgoing
// connections. Somebody else may take it before the caller does: try again with another then.
int free_port();

}  // namespace pgweir
