// A table changes under statements that clients have prepared on several servers.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "protocol/frontend.h"
#include "protocol/reader.h"
#include "tests/integration/servers.h"

using namespace pgweir;

namespace {

// A driver that asks for the shape of a result when it prepares, and relies on it.
class Asker {
 public:
  explicit Asker(int port) : wire_(port) { wire_.login("postgres", "postgres"); }

  void prepare(const std::string& sql) {
    name_ = "statement" + std::to_string(++prepared_);
    Writer out;
    write_parse(out, name_, sql);
    write_describe(out, {'S', name_});
    write_sync(out);
    REQUIRE(ask(out) == "1tTZ");
  }
  std::string run() {
    Writer out;
    write_bind(out, BindHead{"", name_, Bytes("\0\0\0\0\0\0", 6)});
    write_execute(out, "");
    write_sync(out);
    return ask(out);
  }

  std::string sqlstate;      // of the error
  int told = 0, values = 0;  // columns

 private:
  // The types of all messages up to ReadyForQuery.
  std::string ask(const Writer& messages) {
    wire_.send_raw(std::string(messages.view()));
    std::string types;
    sqlstate.clear();
    while (!types.ends_with('Z')) {
      const WireMessage message = wire_.read();
      REQUIRE_FALSE(message.closed());
      types += message.type;
      if (message.type == 'T') told = Reader(message.body).u16();
      if (message.type == 'D') values = Reader(message.body).u16();
      if (message.type == 'E') sqlstate = error_fields(message.body).sqlstate;
    }
    return types;
  }

  WireClient wire_;
  std::string name_;
  int prepared_ = 0;
};

}  // namespace

TEST_CASE("who relies on a description gets no row of another shape, on whichever server") {
  Postgres& postgres = shared_postgres();
  postgres.run("drop table if exists shape_changes");
  postgres.run("create table shape_changes as select 1 as a");
  PgweirSetup setup(postgres);
  setup.pool = "default_pool_size = 3\n";
  const PgweirProcess pgweir(setup);
  const std::string sql = "select * from shape_changes";
  std::vector<Asker> askers;
  std::vector<PgConnection> holders;
  for (int i = 0; i < 4; ++i) {
    askers.emplace_back(pgweir.port());
    askers.back().prepare(sql);
  }
  for (int i = 0; i < 2; ++i) holders.push_back(pgweir.connect());

  for (int turn = 1; turn <= 4; ++turn) {
    CAPTURE(turn);
    // Each holder keeps one more server from the askers.
    for (std::size_t held = 0; held <= holders.size(); ++held) {
      if (held > 0) holders[held - 1].must("begin; select 1");
      for (Asker& it : askers) {
        REQUIRE(it.run() == "2DCZ");
        REQUIRE(it.values == it.told);
      }
    }
    for (PgConnection& it : holders) it.must("commit");
    postgres.run("alter table shape_changes add column b" + std::to_string(turn) + " int");
    for (std::size_t held = 0; held <= holders.size(); ++held) {
      if (held > 0) holders[held - 1].must("begin; select 1");
      for (Asker& it : askers) {
        REQUIRE(it.run().find('D') == std::string::npos);
        REQUIRE(it.sqlstate == "0A000");
      }
    }
    for (PgConnection& it : holders) it.must("commit");
    for (Asker& it : askers) {
      it.prepare(sql);
      REQUIRE(it.told == turn + 1);
    }
  }
}
