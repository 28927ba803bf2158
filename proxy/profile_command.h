#pragma once
// pgweir profile export|show|advise: work on a file and end. The exit status is that of process.h.

#include "proxy/options.h"

namespace pgweir {

// `options.profile` is set.
int run_profile_command(const Options& options);

}  // namespace pgweir
