#include "proxy/session/uses_of.h"

#include <doctest/doctest.h>

#include "protocol/frontend.h"

using namespace pgweir;

namespace {

SessionUses uses_in(Bytes message, bool whole = true) {
  return uses_of({.type = message[0], .first = true, .last = whole, .raw = message});
}

SessionUses query(Bytes sql) {
  Writer out;
  write_query(out, sql);
  return uses_in(out.view());
}

SessionUses parse(Bytes name, Bytes sql) {
  Writer out;
  out.begin('P').cstring(name).cstring(sql).u16(0).end();
  return uses_in(out.view());
}

std::string words(const SessionUses& uses) {
  std::string words;
  for (const StateKindRow& it : state_kinds) {
    if (uses.state.has(it.kind)) words += std::string(it.label) + " ";
  }
  return words + (uses.named_statement ? "named " : "") + (uses.unread ? "unread " : "");
}

}  // namespace

TEST_CASE("uses of a message: by its text") {
  CHECK(words(query("select 1")) == "");
  CHECK(words(query("select 'listen x'; -- set a = 1")) == "");
  CHECK(words(query("set local work_mem = '1MB'")) == "");
  CHECK(words(query("set work_mem = '1MB'; listen x")) == "setting listen ");
  CHECK(words(query("create temp table t (a int)")) == "temp_table ");
  CHECK(words(query("declare c cursor with hold for select 1")) == "hold_cursor ");
  CHECK(words(query("select pg_advisory_lock(1)")) == "advisory_lock ");
  CHECK(words(query("select pg_advisory_xact_lock(1)")) == "");
  CHECK(words(query("prepare p as select 1")) == "prepared ");
  CHECK(words(query("do $$ begin end $$; listen y")) == "listen unread ");
  CHECK(words(parse("", "listen x")) == "listen ");
  CHECK(words(parse("s1", "select $1")) == "named ");
  CHECK(words(parse("s1", "select pg_advisory_lock($1)")) == "advisory_lock named ");
}

TEST_CASE("uses of a message: what has not come as a whole, or is broken, is not read") {
  Writer out;
  write_query(out, "select 1");
  CHECK(words(uses_in(out.view(), false)) == "unread ");
  Writer broken;
  broken.begin('P').cstring("name").end();
  CHECK(words(uses_in(broken.view())) == "unread ");
}
