#include "protocol/startup.h"

#include <doctest/doctest.h>

#include "protocol/message.h"
#include "tests/unit/protocol/message_body.h"

using namespace pgweir;
using namespace std::literals;

namespace {

std::string packet(std::uint32_t version, const std::string& rest) { return big_endian(version) + rest; }
std::string packet_3(const std::string& rest) { return packet(protocol_3_0, rest); }

StartupMessage message(const std::string& body) {
  const StartupPacket parsed = parse_startup(body);
  REQUIRE(std::holds_alternative<StartupMessage>(parsed));
  return std::get<StartupMessage>(parsed);
}

StartupError error(const std::string& body) {
  const StartupPacket parsed = parse_startup(body);
  REQUIRE(std::holds_alternative<StartupError>(parsed));
  return std::get<StartupError>(parsed);
}

void check_error(const std::string& body, Bytes sqlstate, const std::string& text) {
  const StartupError refused = error(body);
  CHECK(refused.sqlstate == sqlstate);
  CHECK(refused.message == text);
}

// What follows the length field.
std::string startup_body(const Writer& out) {
  REQUIRE(out.view().size() >= 4);
  CHECK(Reader(out.view().substr(0, 4)).u32() == out.view().size());
  return std::string(out.view().substr(4));
}

constexpr const char* no_terminator = "invalid startup packet layout: expected terminator as last byte";
constexpr const char* no_user = "no PostgreSQL user name specified in startup packet";

}  // namespace

TEST_CASE("a startup packet's length is checked before anything is kept") {
  for (std::uint32_t length :
       {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u, 10005u, 65535u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    CAPTURE(length);
    CHECK_FALSE(startup_body_size(big_endian(length)));
  }
  for (std::uint32_t length : {8u, 9u, 9999u, 10000u, 10001u, 10004u}) {
    CHECK(startup_body_size(big_endian(length)) == length - 4);
  }
  CHECK_FALSE(startup_body_size("\0\0\0"s));
  CHECK_FALSE(startup_body_size("\0\0\0\x08\0"s));
}

TEST_CASE("a packet of another protocol is not a startup packet") {
  CHECK_FALSE(startup_body_size("GET "));
  CHECK_FALSE(startup_body_size("\x16\x03\x01\x02"));
}

TEST_CASE("a startup message has its fields, and its settings in order") {
  const StartupMessage got = message(
      packet_3("user\0ann\0b\0 2\0database\0shop\0A\0\0options\0-c x=y\0b\0 3\0_pq_.hurry\0yes\0\0"s));
  CHECK(got.major == 3);
  CHECK(got.minor == 0);
  CHECK(got.user == "ann");
  CHECK(got.database == "shop");
  CHECK(got.options == "-c x=y");
  CHECK(got.replication.empty());
  CHECK(got.parameters == std::vector<StartupMessage::Value>{{"b", " 2"}, {"A", ""}, {"b", " 3"}});
  CHECK(got.protocol_options == std::vector<StartupMessage::Value>{{"_pq_.hurry", "yes"}});
}

TEST_CASE("the database defaults to the user's name") {
  CHECK(message(packet_3("user\0ann\0\0"s)).database == "ann");
  CHECK(message(packet_3("user\0ann\0database\0\0\0"s)).database == "ann");
}

TEST_CASE("of repeated users and databases the last one counts") {
  const auto got = message(packet_3("user\0ann\0database\0x\0user\0bob\0database\0y\0\0"s));
  CHECK(got.user == "bob");
  CHECK(got.database == "y");
  CHECK(got.parameters.empty());
  check_error(packet_3("user\0ann\0user\0\0\0"s), "28000", no_user);
}

TEST_CASE("a startup message without a user is refused") {
  check_error(packet_3("\0"s), "28000", no_user);
  check_error(packet_3("user\0\0\0"s), "28000", no_user);
  check_error(packet_3("database\0x\0\0"s), "28000", no_user);
  check_error(packet_3("USER\0x\0\0"s), "28000", no_user);
}

TEST_CASE("a startup message must end with the terminator, and nothing behind it") {
  for (const std::string& rest :
       {""s, "user"s, "user\0"s, "user\0ann"s, "user\0ann\0"s, "user\0ann\0x"s, "user\0ann\0x\0"s,
        "user\0ann\0\0\0"s, "user\0ann\0\0x\0y\0\0"s, "x"s, "\0\0"s}) {
    CAPTURE(printable(rest));
    check_error(packet_3(rest), "08P01", no_terminator);
  }
}

TEST_CASE("every truncated startup message is refused") {
  StartupMessage whole;
  whole.user = "ann";
  whole.database = "shop";
  whole.options = "-c a=b";
  whole.replication = "database";
  whole.parameters = {{"application_name", "psql"}};
  whole.protocol_options = {{"_pq_.x", "1"}};
  Writer out;
  write_startup(out, whole);
  const std::string body = startup_body(out);
  CHECK(message(body) == whole);
  for_each_truncation(body, [](const std::string& part) {
    CHECK(std::holds_alternative<StartupError>(parse_startup(part)));
  });
}

TEST_CASE("any minor version of protocol 3 is accepted, other major ones are not") {
  for (std::uint32_t minor : {1u, 2u, 9999u, 65535u}) {
    CHECK(message(packet(protocol_3_0 | minor, "user\0ann\0\0"s)).minor == minor);
  }
  check_error(packet(2u << 16, "user\0ann\0\0"s), "0A000",
              "unsupported frontend protocol 2.0: server supports 3.0 to 3.0");
  check_error(packet(4u << 16 | 7, ""), "0A000",
              "unsupported frontend protocol 4.7: server supports 3.0 to 3.0");
  check_error(packet(0, ""), "0A000", "unsupported frontend protocol 0.0: server supports 3.0 to 3.0");
  check_error(packet(1234u << 16 | 5677, ""), "0A000",
              "unsupported frontend protocol 1234.5677: server supports 3.0 to 3.0");
  check_error(packet(0xffffffff, ""), "0A000",
              "unsupported frontend protocol 65535.65535: server supports 3.0 to 3.0");
}

TEST_CASE("packets of the largest size are read, larger ones refused") {
  for (std::size_t size : {9999u, 10000u, 10001u, 65535u}) {
    std::string body = packet_3("user\0ann\0application_name\0"s);
    body.append(size - body.size() - 2, 'x');
    body.append(2, '\0');
    REQUIRE(body.size() == size);
    CAPTURE(size);
    if (size <= max_startup_packet) {
      CHECK(message(body).parameters.at(0).second.size() > 9900);
    } else {
      check_error(body, "08P01", "invalid length of startup packet");
    }
  }
  for (std::size_t size = 0; size < 4; ++size) {
    check_error(std::string(size, '\0'), "08P01", "invalid length of startup packet");
  }
}

TEST_CASE("names and values are bytes, in no particular encoding") {
  const auto got = message(packet_3("user\0\xff\xfe\n\x1b[1m\0client_encoding\0\x80\0\0"s));
  CHECK(got.user == "\xff\xfe\n\x1b[1m");
  CHECK(got.parameters.at(0).second == "\x80");
}

TEST_CASE("names as long as a packet allows are read") {
  const std::string name(9900, 'n');
  const auto got = message(packet_3("user\0"s + name + "\0\0"s));
  CHECK(got.user == name);
  CHECK(got.database == name);
}

TEST_CASE("replication is wanted, not wanted, or nonsense") {
  const auto with = [](const std::string& value) {
    return packet_3("user\0a\0replication\0"s + value + "\0\0"s);
  };
  for (const char* value : {"database", "true", "TRUE", "t", "on", "yes", "y", "1"}) {
    CAPTURE(value);
    CHECK(wants_replication(message(with(value))));
  }
  for (const char* value : {"false", "f", "off", "of", "no", "0", "NO"}) {
    CAPTURE(value);
    CHECK_FALSE(wants_replication(message(with(value))));
  }
  CHECK_FALSE(wants_replication(message(packet_3("user\0a\0\0"s))));
  for (const char* value : {"", "o", "truely", "DATABASE", "2", "10"}) {
    CAPTURE(value);
    check_error(with(value), "22023", "invalid value for parameter \"replication\": \""s + value + "\"");
  }
  CHECK(error(with("x")).hint == "Valid values are: \"false\", 0, \"true\", 1, \"database\".");
}

TEST_CASE("requests for encryption are their code alone") {
  Writer ssl, gss;
  write_ssl_request(ssl);
  write_gss_enc_request(gss);
  CHECK(ssl.view() == "\0\0\0\x08\x04\xd2\x16\x2f"s);
  CHECK(gss.view() == "\0\0\0\x08\x04\xd2\x16\x30"s);
  CHECK(std::holds_alternative<SslRequest>(parse_startup(startup_body(ssl))));
  CHECK(std::holds_alternative<GssEncRequest>(parse_startup(startup_body(gss))));
  check_error(startup_body(ssl) + "x", "08P01", "invalid length of startup packet");
  check_error(startup_body(gss) + "x", "08P01", "invalid length of startup packet");
}

TEST_CASE("a cancel request has a secret of 4 to 256 bytes") {
  for (std::size_t size : {4u, 5u, 32u, 256u}) {
    Writer out;
    write_cancel_request(out, 0x80000001, std::string(size, '\0'));
    const StartupPacket parsed = parse_startup(startup_body(out));
    REQUIRE(std::holds_alternative<CancelRequest>(parsed));
    CHECK(std::get<CancelRequest>(parsed) == CancelRequest{0x80000001, std::string(size, '\0')});
  }
  for (std::size_t size = 0; size < 8; ++size) {
    check_error(packet(cancel_request_code, std::string(size, 'x')), "08P01",
                "invalid length of cancel request packet");
  }
  check_error(packet(cancel_request_code, std::string(4 + 257, 'x')), "08P01",
              "invalid length of cancel key in cancel request packet");
}
