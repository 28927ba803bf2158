#pragma once
// The process: settings, log, sockets, threads, in the order in which they depend on each other, and back.

#include "proxy/options.h"

namespace pgweir {

// Exit statuses. A mistake in the command line or the configuration is 2, a failed start 1.
inline constexpr int status_failed = 1;
inline constexpr int status_refused = 2;

// Serves until it is told to stop; the result is the exit status.
int run_process(const Options& options);

// --check-config
int check_config(const Options& options);

}  // namespace pgweir
