#include "admin/console_describe.h"

#include <doctest/doctest.h>

#include "admin/settings_table.h"
#include "protocol/frontend.h"
#include "proxy/session/console_protocol.h"
#include "tests/unit/admin/console_reply.h"

using namespace pgweir;

namespace {

std::string hex(const std::optional<std::string>& bytes) {
  if (!bytes) return "none";
  std::string text;
  for (const char c : *bytes) {
    constexpr Bytes digits = "0123456789abcdef";
    text += digits[static_cast<unsigned char>(c) >> 4];
    text += digits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

// A client that talks to the protocol and, behind it, to the console.
struct Client {
  const Settings settings = settings_by_default();
  ConsoleProtocol protocol;
  ConsoleProtocol::Step last;

  Client& say(const Writer& message) {
    const Bytes bytes = message.view();
    last = protocol.on_message(bytes[0], bytes.substr(5), settings);
    if (last.ask)
      last = protocol.answered(answer_console(*last.ask, ConsolePrivilege::admin, world_of(settings)).bytes);
    return *this;
  }
  Client& parse(Bytes name, Bytes query) {
    Writer out;
    write_parse(out, name, query);
    return say(out);
  }
  Client& bind(Bytes portal, Bytes statement, std::vector<std::uint16_t> formats = {}) {
    BindMessage message;
    message.portal = portal;
    message.statement = statement;
    message.result_formats = std::move(formats);
    Writer out;
    write_bind(out, message);
    return say(out);
  }
  Client& execute(Bytes portal, std::int32_t most = 0) {
    Writer out;
    write_execute(out, portal, most);
    return say(out);
  }
  Client& describe(char kind, Bytes name) {
    Writer out;
    write_describe(out, {kind, name});
    return say(out);
  }
  // The types of the messages that came back.
  std::string types() const {
    std::string all;
    for (Bytes rest = last.bytes; !rest.empty();) {
      all += rest[0];
      rest.remove_prefix(Reader(rest.substr(1, 4)).u32() + 1);
    }
    return all;
  }
};

}  // namespace

TEST_CASE("console binary: integers and numbers as PostgreSQL sends them") {
  CHECK(hex(to_binary("1", type_oid::int4)) == "00000001");
  CHECK(hex(to_binary("-2", type_oid::int4)) == "fffffffe");
  CHECK(hex(to_binary("4294967296", type_oid::int8)) == "0000000100000000");
  CHECK(hex(to_binary("4294967296", type_oid::int4)) == "none");
  CHECK(hex(to_binary("", type_oid::int4)) == "none");
  CHECK(hex(to_binary("ab", type_oid::text)) == "6162");
  // From `select numeric_send(...)`.
  CHECK(hex(to_binary("0", type_oid::numeric)) == "0000000000000000");
  CHECK(hex(to_binary("1", type_oid::numeric)) == "00010000000000000001");
  CHECK(hex(to_binary("10000", type_oid::numeric)) == "00010001000000000001");
  CHECK(hex(to_binary("123456789", type_oid::numeric)) == "0003000200000000000109291a85");
  CHECK(hex(to_binary("-1.5", type_oid::numeric)) ==
        "00020000400000010001"
        "1388");
  CHECK(hex(to_binary("0.05", type_oid::numeric)) == "0001ffff0000000201f4");
  CHECK(hex(to_binary("1x", type_oid::numeric)) == "none");
  CHECK(hex(to_binary(".", type_oid::numeric)) == "none");
}

TEST_CASE("console extended: the ordinary life of a statement") {
  Client client;
  CHECK(client.parse("", "SHOW VERSION").types() == "1");
  CHECK(client.describe('S', "").types() == "tT");
  CHECK(client.bind("", "").types() == "2");
  CHECK(client.describe('P', "").types() == "T");
  CHECK(client.execute("").types() == "DC");
  CHECK(client.execute("").last.failed);
  CHECK(client.parse("", "BEGIN").bind("", "").describe('P', "").types() == "n");
  CHECK(client.execute("").types() == "C");
  CHECK(client.parse("", " -- ping").bind("", "").execute("").types() == "I");
  CHECK(client.parse("", "SELECT 1").bind("", "", {1}).execute("").types() == "DC");
}

TEST_CASE("console extended: rows in portions") {
  Client client;
  client.parse("lists", "SHOW LISTS").bind("p", "lists");
  CHECK(client.execute("p", 10).types() == "DDDDDDDDDDs");
  CHECK(client.execute("p", 10).types() == "DDDDC");
}

TEST_CASE("console extended: what cannot be is an error, and leaves nothing behind") {
  Client client;
  const auto fails = [&](const Client& after) {
    CHECK(after.last.failed);
    CHECK(after.types() == "E");
  };
  fails(client.parse("", "SHOW NONSENSE"));
  fails(client.parse("", "SHOW VERSION; SHOW STATE"));
  fails(client.parse("", "SHOW 'x"));
  fails(client.bind("", "none"));
  fails(client.describe('S', "none"));
  fails(client.describe('P', "none"));
  fails(client.execute("none"));
  client.parse("twice", "SHOW VERSION");
  fails(client.parse("twice", "SHOW VERSION"));
  fails(client.bind("", "twice", {2}));
  fails(client.bind("", "twice", {0, 0}));
  fails(client.parse("", "PAUSE nowhere").bind("", "").execute(""));
  for (const char type : {'P', 'B', 'D', 'E', 'C', 'X'})
    CHECK(client.protocol.on_message(type, "\x01", client.settings).failed);
}

TEST_CASE("console extended: statements and portals are bounded") {
  Client client;
  for (std::size_t i = 0; i < ConsoleProtocol::most_statements; ++i)
    REQUIRE_FALSE(client.parse("s" + std::to_string(i), "SHOW VERSION").last.failed);
  CHECK(client.parse("more", "SHOW VERSION").last.failed);
  for (std::size_t i = 0; i < ConsoleProtocol::most_portals; ++i)
    REQUIRE_FALSE(client.bind("p" + std::to_string(i), "s0").last.failed);
  CHECK(client.bind("more", "s0").last.failed);
  CHECK_FALSE(client.bind("p0", "s0").last.failed);
  Client big;
  const std::string text = "SHOW VERSION --" + std::string(ConsoleProtocol::most_text / 2, 'x');
  CHECK_FALSE(big.parse("a", text).last.failed);
  CHECK(big.parse("b", text).last.failed);
}
