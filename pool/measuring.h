#pragma once
// Whether what happens in pools is measured. Always, but in the build that shows what measuring costs
// (PGWEIR_MEASURE=OFF, `bench/run measuring`): a switch in the settings would put a branch before every
// measurement of those who never turn it off, and would have to be undone in the middle of transactions.
// Without: no histograms, levels, traces, host speeds and query classes, so no advice. The counters and sums
// of SHOW STATS stay.

namespace pgweir {

#ifdef PGWEIR_UNMEASURED
constexpr bool measuring = false;
#else
constexpr bool measuring = true;
#endif

}  // namespace pgweir
