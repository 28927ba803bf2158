#pragma once
// Planted bugs: places in the product that do the wrong thing on purpose when a test asks for it, so that the
// simulation can prove that it would find such a bug (tests/sim). Without PGWEIR_PLANT, which only that test
// defines, `planted` is a constant false and nothing of this is left in the program.

#include <array>

#ifdef PGWEIR_PLANT
// The bug that is planted now, as a number of `Bug`; defined by the test.
extern int pgweir_planted_bug;
#endif

namespace pgweir {

enum class Bug : int {
  none,
  drop_ledger_entry,      // a message is sent without an entry for its reply
  release_too_early,      // a server goes to somebody else although its transaction is open
  one_slot_too_many,      // a pool may open one server more than its size
  forget_parameter_sync,  // a server is not given its client's parameters
  cancel_wrong_server,    // a server is used again while a cancel is on its way to it
  forget_wait_deadline,   // query_wait_timeout is never looked at
  forget_limit_timer,     // query_timeout and its like are never looked at
  forget_statement,       // a statement that the server lacks is not prepared before it is used
  trust_failed_parse,     // a Parse that failed counts as done
  forget_settings,        // a server keeps the parameters that its last client has set
  release_pinned,         // a server goes to somebody else although its client has left state in the session
  foreign_unnamed,        // the unnamed statement of a server counts as that of any client that gets it
  listen_too_early,       // a server is left before the shared connection listens to what its client does
  notify_twice,  // a listening client gets what its server tells it from the shared connection as well
};

#ifdef PGWEIR_PLANT
struct PlantedBug {
  Bug bug;
  const char* name;
};

inline constexpr std::array planted_bugs{
    PlantedBug{Bug::drop_ledger_entry, "drop_ledger_entry"},
    PlantedBug{Bug::release_too_early, "release_too_early"},
    PlantedBug{Bug::one_slot_too_many, "one_slot_too_many"},
    PlantedBug{Bug::forget_parameter_sync, "forget_parameter_sync"},
    PlantedBug{Bug::cancel_wrong_server, "cancel_wrong_server"},
    PlantedBug{Bug::forget_wait_deadline, "forget_wait_deadline"},
    PlantedBug{Bug::forget_limit_timer, "forget_limit_timer"},
    PlantedBug{Bug::forget_statement, "forget_statement"},
    PlantedBug{Bug::trust_failed_parse, "trust_failed_parse"},
    PlantedBug{Bug::forget_settings, "forget_settings"},
    PlantedBug{Bug::release_pinned, "release_pinned"},
    PlantedBug{Bug::foreign_unnamed, "foreign_unnamed"},
    PlantedBug{Bug::listen_too_early, "listen_too_early"},
    PlantedBug{Bug::notify_twice, "notify_twice"},
};

inline bool planted(Bug bug) { return pgweir_planted_bug == static_cast<int>(bug); }
#else
constexpr bool planted(Bug) { return false; }
#endif

}  // namespace pgweir
