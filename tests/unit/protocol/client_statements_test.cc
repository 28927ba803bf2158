#include "protocol/client_statements.h"

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/seeded_random.h"

using namespace pgweir;
using namespace std::literals;

namespace {

struct Fixture {
  StatementCatalog catalog{HashKey{}};
  SharedStatement a = catalog.intern("SELECT 'a'\0\0\0"sv), b = catalog.intern("SELECT 'b'\0\0\0"sv);
  ClientStatements client;
};

// The same, without any thought about cost.
class Model {
 public:
  struct Change {
    std::uint64_t number;
    char kind;  // define, close, all
    std::string name;
    SharedStatement statement;
  };

  void settle(char outcome) {
    const Change change = changes.front();
    changes.pop_front();
    if (outcome == 'c') apply(names, change);
    if (outcome == 'f' && change.kind == 'd' && change.name.empty()) names.erase("");
  }
  SharedStatement find(const std::string& name) const {
    auto view = names;
    for (const Change& change : changes) apply(view, change);
    return view.contains(name) ? view[name] : nullptr;
  }
  std::optional<std::uint64_t> oldest_pending(const std::string& name) const {
    for (const Change& change : changes) {
      if (change.kind == 'a' || change.name == name) return change.number;
    }
    return std::nullopt;
  }
  std::size_t size() const {
    std::size_t count = names.size();
    for (const Change& change : changes) count += change.kind == 'd';
    return count;
  }
  std::size_t uses(const SharedStatement& statement) const {
    std::size_t count = 0;
    for (const auto& [name, have] : names) count += have == statement;
    for (const Change& change : changes) count += change.statement == statement;
    return count;
  }

  std::map<std::string, SharedStatement> names;
  std::deque<Change> changes;

 private:
  static void apply(std::map<std::string, SharedStatement>& to, const Change& change) {
    if (change.kind == 'd') to[change.name] = change.statement;
    if (change.kind == 'c') to.erase(change.name);
    if (change.kind == 'a') to.clear();
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a client without statements costs one pointer") {
  static_assert(sizeof(ClientStatements) == sizeof(void*));
  CHECK(client.empty());
  CHECK_FALSE(client.find("x"));
  CHECK_FALSE(client.oldest_pending("x"));
  CHECK_FALSE(client.confirm(1));
  CHECK_FALSE(client.fail(1));
  CHECK_FALSE(client.skip(1));
  client.skip_all();
  CHECK(client.size() == 0);
  CHECK(client.bytes() == 0);
  client.define(1, "x", a);
  CHECK_FALSE(client.empty());
  CHECK(client.confirm(1));
  client.close(2, "x");
  CHECK(client.confirm(2));
  CHECK(client.empty());
}

TEST_CASE_FIXTURE(Fixture,
                  "a statement is there for the messages behind its Parse, and stays when confirmed") {
  client.define(1, "x", a);
  CHECK(client.find("x") == a);
  CHECK(client.oldest_pending("x") == 1);
  CHECK(client.confirm(1));
  CHECK(client.find("x") == a);
  CHECK_FALSE(client.oldest_pending("x"));
  CHECK_FALSE(client.confirm(1));
}

TEST_CASE_FIXTURE(Fixture, "a failed or skipped Parse defines nothing") {
  client.define(1, "x", a);
  client.define(2, "y", b);
  CHECK(client.fail(1));
  CHECK_FALSE(client.find("x"));
  CHECK(client.find("y") == b);
  CHECK(client.skip(2));
  CHECK_FALSE(client.find("y"));
  CHECK(client.empty());
}

TEST_CASE_FIXTURE(Fixture, "a Close that is skipped leaves the statement") {
  client.define(1, "x", a);
  client.confirm(1);
  client.close(2, "x");
  CHECK_FALSE(client.find("x"));
  CHECK(client.skip(2));
  CHECK(client.find("x") == a);
}

TEST_CASE_FIXTURE(Fixture, "defined, closed and defined anew before anything is confirmed") {
  client.define(1, "x", a);
  client.close(2, "x");
  CHECK_FALSE(client.find("x"));
  client.define(3, "x", b);
  CHECK(client.find("x") == b);
  SUBCASE("and all succeeds") {
    CHECK(client.confirm(1));
    CHECK(client.find("x") == b);
    CHECK(client.confirm(2));
    CHECK(client.find("x") == b);
    CHECK(client.oldest_pending("x") == 3);
    CHECK(client.confirm(3));
    CHECK(client.find("x") == b);
    CHECK(a->uses.clients == 0);
    CHECK(b->uses.clients == 1);
  }
  SUBCASE("and the first fails, so that the others are skipped") {
    CHECK(client.fail(1));
    CHECK(client.skip(2));
    CHECK(client.find("x") == b);
    CHECK(client.skip(3));
    CHECK_FALSE(client.find("x"));
  }
  SUBCASE("and the second definition fails") {
    CHECK(client.confirm(1));
    CHECK(client.confirm(2));
    CHECK(client.fail(3));
    CHECK_FALSE(client.find("x"));
  }
  SUBCASE("and an error falls between the first and the Close") {
    CHECK(client.confirm(1));
    CHECK(client.skip(2));
    CHECK(client.skip(3));
    CHECK(client.find("x") == a);
  }
}

TEST_CASE_FIXTURE(Fixture, "the unnamed statement is replaced, and a Parse of it that fails removes it") {
  client.define(1, "", a);
  client.define(2, "", b);
  CHECK(client.find("") == b);
  CHECK(client.confirm(1));
  SUBCASE("replaced") {
    CHECK(client.confirm(2));
    CHECK(client.find("") == b);
    CHECK(client.size() == 1);
  }
  SUBCASE("failed") {
    CHECK(client.fail(2));
    CHECK_FALSE(client.find(""));
  }
  SUBCASE("skipped") {
    CHECK(client.skip(2));
    CHECK(client.find("") == a);
  }
}

TEST_CASE_FIXTURE(Fixture, "DISCARD ALL takes what was before it, and nothing behind it") {
  client.define(1, "x", a);
  client.confirm(1);
  client.define(2, "y", a);
  client.clear_all(3);
  CHECK_FALSE(client.find("x"));
  CHECK_FALSE(client.find("y"));
  CHECK(client.oldest_pending("x") == 3);
  CHECK(client.oldest_pending("y") == 2);
  client.define(4, "x", b);
  CHECK(client.find("x") == b);
  CHECK(client.oldest_pending("x") == 3);
  CHECK(client.confirm(2));
  SUBCASE("confirmed") {
    CHECK(client.confirm(3));
    CHECK_FALSE(client.find("y"));
    CHECK(client.confirm(4));
    CHECK(client.find("x") == b);
    CHECK(client.size() == 1);
  }
  SUBCASE("failed") {
    CHECK(client.fail(3));
    CHECK(client.find("y") == a);
    CHECK(client.skip(4));
    CHECK(client.find("x") == a);
  }
}

TEST_CASE_FIXTURE(Fixture, "changes are settled in their order only") {
  client.define(5, "x", a);
  client.define(9, "y", b);
  CHECK_FALSE(client.confirm(9));
  CHECK_FALSE(client.fail(7));
  CHECK_FALSE(client.skip(0));
  CHECK(client.find("x") == a);
  CHECK(client.confirm(5));
  CHECK(client.confirm(9));
}

TEST_CASE_FIXTURE(Fixture, "a lost server leaves what was confirmed") {
  client.define(1, "x", a);
  client.confirm(1);
  client.close(2, "x");
  client.define(3, "y", b);
  client.clear_all(4);
  client.skip_all();
  CHECK(client.find("x") == a);
  CHECK_FALSE(client.find("y"));
  CHECK(client.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "names and bytes are counted, those on their way included") {
  client.define(1, "x", a);
  const std::size_t one = client.bytes();
  CHECK(one > a->bytes());
  client.define(2, "a longer name", a);
  CHECK(client.size() == 2);
  CHECK(client.bytes() > 2 * one);
  CHECK(a->uses.clients == 2);
  client.confirm(1);
  CHECK(client.size() == 2);
  client.fail(2);
  CHECK(client.size() == 1);
  CHECK(client.bytes() == one);
  ClientStatements moved = std::move(client);
  CHECK(moved.bytes() == one);
  moved = ClientStatements();
  CHECK(a->uses.clients == 0);
}

TEST_CASE("any sequence of changes and outcomes agrees with a naive model") {
  StatementCatalog catalog{HashKey{}};
  std::vector<SharedStatement> statements;
  for (int i = 0; i < 4; ++i)
    statements.push_back(catalog.intern(
        Bytes("a\0\0\0b\0\0\0c\0\0\0d\0\0\0", 16).substr(0, 4 * static_cast<std::size_t>(i + 1))));
  const std::vector<std::string> names{"", "x", "y", "z"};
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    sim::SeededRandom random(seed);
    ClientStatements client;
    Model model;
    std::uint64_t number = 0;
    const unsigned pushing = seed % 2 == 0 ? 500 : 300;
    bool equal = true;
    for (int step = 0; step < 400 && equal; ++step) {
      if (random.chance(pushing) || model.changes.empty()) {
        number += 1 + random.below(3);
        const std::string& name = names[random.below(names.size())];
        const SharedStatement& statement = statements[random.below(statements.size())];
        const std::size_t kind = random.below(16);
        if (kind == 0) {
          client.clear_all(number);
          model.changes.push_back({number, 'a', "", nullptr});
        } else if (kind < 6) {
          client.close(number, name);
          model.changes.push_back({number, 'c', name, nullptr});
        } else {
          client.define(number, name, statement);
          model.changes.push_back({number, 'd', name, statement});
        }
      } else if (random.chance(5)) {
        client.skip_all();
        model.changes.clear();
      } else {
        const std::uint64_t oldest = model.changes.front().number;
        const char outcome = random.pick({'c', 'c', 'f', 's'});
        equal = outcome == 'c'   ? client.confirm(oldest)
                : outcome == 'f' ? client.fail(oldest)
                                 : client.skip(oldest);
        model.settle(outcome);
      }
      for (const std::string& name : names) {
        equal = equal && client.find(name) == model.find(name) &&
                client.oldest_pending(name) == model.oldest_pending(name);
      }
      for (const SharedStatement& statement : statements) {
        equal = equal && statement->uses.clients == model.uses(statement);
      }
      equal = equal && client.size() == model.size() &&
              client.empty() == (model.names.empty() && model.changes.empty()) &&
              (client.bytes() == 0) == (client.size() == 0);
    }
    REQUIRE(equal);
  }
}
