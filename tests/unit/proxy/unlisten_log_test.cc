#include "proxy/session/unlisten_log.h"

#include <doctest/doctest.h>

using namespace pgweir;

namespace {

// The channels of what has been committed, with blanks; "*" is all.
std::string committed(UnlistenLog& log) {
  std::string text;
  for (const ListenStatement& one : log.take_committed())
    text += (one.kind == ListenStatement::Kind::unlisten_all ? "*" : one.channel) + " ";
  return text;
}

}  // namespace

TEST_CASE("UNLISTEN counts when the server has completed and committed it") {
  UnlistenLog log;
  log.sent(5, unlisten_statements("unlisten a; unlisten \"B\""));
  log.completed("UNLISTEN", 5);
  CHECK(committed(log) == "");
  log.completed("UNLISTEN", 5);
  log.ready(true, 6);
  CHECK(committed(log) == "a B ");
  CHECK(committed(log) == "");
  CHECK_FALSE(log.any());

  log.sent(7, unlisten_statements("discard all"));
  log.completed("DISCARD ALL", 7);
  log.ready(true, 8);
  CHECK(committed(log) == "* ");
}

TEST_CASE("an UNLISTEN that failed, was skipped or was rolled back does not count") {
  UnlistenLog log;
  SUBCASE("an error behind it") {
    log.sent(1, unlisten_statements("unlisten a; select 1/0"));
    log.completed("UNLISTEN", 1);
    log.failed(1, false);
  }
  SUBCASE("skipped to Sync") {
    log.sent(1, unlisten_statements("unlisten a"));
    log.sent(3, unlisten_statements("unlisten b"));
    log.failed(1, false);
  }
  SUBCASE("ROLLBACK") {
    log.sent(1, unlisten_statements("unlisten a"));
    log.completed("UNLISTEN", 1);
    log.ready(false, 2);
    log.completed("ROLLBACK", 2);
  }
  SUBCASE("ROLLBACK TO a savepoint from before") {
    log.sent(1, unlisten_statements("unlisten a"));
    log.completed("UNLISTEN", 1);
    log.completed("ROLLBACK", 2);
    log.completed("COMMIT", 3);
  }
  log.ready(true, 9);
  CHECK(committed(log) == "");
  CHECK_FALSE(log.any());
}

TEST_CASE("what was before the savepoint stays") {
  UnlistenLog log;
  log.sent(1, unlisten_statements("unlisten a"));
  log.completed("UNLISTEN", 1);
  log.completed("SAVEPOINT", 2);
  log.sent(3, unlisten_statements("unlisten b"));
  log.completed("UNLISTEN", 3);
  log.failed(4, true);
  log.ready(false, 5);
  log.completed("ROLLBACK", 5);
  log.ready(false, 6);
  CHECK(committed(log) == "");
  log.completed("COMMIT", 6);
  log.ready(true, 7);
  CHECK(committed(log) == "a ");
}
