#include "pool/session_use.h"

#include <doctest/doctest.h>

using namespace pgweir;

namespace {

SessionUses uses(StateKind kind) {
  SessionUses uses;
  uses.state.add(kind);
  return uses;
}

const UseCount& count_of(const ApplicationUse& use, StateKind kind) {
  return use.state[static_cast<std::size_t>(kind)];
}

}  // namespace

TEST_CASE("session use: a session and a transaction count once for each kind") {
  ApplicationUses pool;
  ApplicationUse& web = pool.of("web");
  SessionUseNotes first, second;
  first.note(uses(StateKind::listen));
  CHECK_FALSE(first.started());
  CHECK(web.all.sessions == 0);

  first.begin_transaction(web);
  CHECK(first.started());
  first.note(uses(StateKind::listen));
  first.note(uses(StateKind::listen));
  first.begin_transaction(web);
  first.note(uses(StateKind::listen));
  first.note(uses(StateKind::temp_table));
  second.begin_transaction(web);
  second.note({.named_statement = true, .unread = true});
  second.note({.named_statement = true});

  CHECK(web.all.sessions == 2);
  CHECK(web.all.transactions == 3);
  CHECK(count_of(web, StateKind::listen).sessions == 1);
  CHECK(count_of(web, StateKind::listen).transactions == 2);
  CHECK(count_of(web, StateKind::temp_table).transactions == 1);
  CHECK(count_of(web, StateKind::setting).sessions == 0);
  CHECK(web.named_statement.sessions == 1);
  CHECK(web.named_statement.transactions == 1);
  CHECK(web.unread.sessions == 1);

  ApplicationUse sum = web;
  sum.add(web);
  CHECK(sum.all.transactions == 6);
  CHECK(count_of(sum, StateKind::listen).sessions == 2);
  CHECK(sum.named_statement.sessions == 2);
  CHECK(sum.unread.transactions == 2);
}

TEST_CASE("session use: a session with another name is a session of that name") {
  ApplicationUses pool;
  SessionUseNotes notes;
  notes.begin_transaction(pool.of(""));
  notes.note(uses(StateKind::setting));
  notes.begin_transaction(pool.of("batch"));
  notes.note(uses(StateKind::setting));
  for (const char* name : {"", "batch"}) {
    CHECK(pool.of(name).all.sessions == 1);
    CHECK(count_of(pool.of(name), StateKind::setting).sessions == 1);
  }
}

TEST_CASE("session use: names are bounded in number and length") {
  ApplicationUses pool;
  for (std::size_t i = 0; i < ApplicationUses::most_names; ++i) pool.of("name" + std::to_string(i));
  SessionUseNotes notes;
  notes.begin_transaction(pool.of("one more"));
  CHECK(pool.named().size() == ApplicationUses::most_names);
  CHECK(pool.others().all.sessions == 1);
  notes.begin_transaction(pool.of("name7"));
  CHECK(pool.of("name7").all.sessions == 1);

  ApplicationUses other;
  other.of(std::string(100'000, 'x'));
  CHECK(other.named().begin()->first.size() == ApplicationUses::longest_name);
}
