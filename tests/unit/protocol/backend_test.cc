#include "protocol/backend.h"

#include <doctest/doctest.h>

#include <array>

#include "tests/unit/protocol/message_body.h"

using namespace pgweir;
using namespace std::literals;

namespace {

constexpr std::uint32_t hostile_lengths[] = {0x7fffffff, 0x80000000, 0xfffffffe, 0xfffffffb,
                                             0xfffffff0, 0x3fffffff, 4};

template <typename Write>
std::string written(char type, Write write) {
  Writer out;
  write(out);
  return body_of(out, type);
}

}  // namespace

TEST_CASE("an error comes back with all its fields") {
  const ErrorFields fields{.severity = "FATAL",
                           .sqlstate = "57P01",
                           .message = "m",
                           .detail = "d",
                           .hint = "h",
                           .position = "1",
                           .internal_position = "2",
                           .internal_query = "q",
                           .where = "w",
                           .schema = "s",
                           .table = "t",
                           .column = "c",
                           .data_type = "dt",
                           .constraint = "n",
                           .file = "f.c",
                           .line = "7",
                           .routine = "r"};
  const std::string body = written('E', [&](Writer& out) { write_error_response(out, fields); });
  const ErrorFields back = read_error_fields(body);
  CHECK(back.severity == "FATAL");
  CHECK(back.sqlstate == "57P01");
  CHECK(back.message == "m");
  CHECK(back.detail == "d");
  CHECK(back.hint == "h");
  CHECK(back.position == "1");
  CHECK(back.internal_position == "2");
  CHECK(back.internal_query == "q");
  CHECK(back.where == "w");
  CHECK(back.schema == "s");
  CHECK(back.table == "t");
  CHECK(back.column == "c");
  CHECK(back.data_type == "dt");
  CHECK(back.constraint == "n");
  CHECK(back.file == "f.c");
  CHECK(back.line == "7");
  CHECK(back.routine == "r");
}

TEST_CASE("an error has severity, SQLSTATE and message even when they are not given") {
  CHECK(written('E', [](Writer& out) { write_error_response(out, {}); }) == "SERROR\0VERROR\0CXX000\0M\0\0"s);
  CHECK(written('N', [](Writer& out) { write_notice_response(out, {.message = "m"}); }) ==
        "SNOTICE\0VNOTICE\0C00000\0Mm\0\0"s);
}

TEST_CASE("fields of an error that are missing are empty") {
  for (const std::string& body : {""s, "\0"s, "Sx"s, "M"s, "?what\0\0"s, "\xffwhat\0\0"s}) {
    CAPTURE(printable(body));
    const ErrorFields fields = read_error_fields(body);
    CHECK(fields.severity.empty());
    CHECK(fields.sqlstate.empty());
    CHECK(fields.message.empty());
  }
  const ErrorFields fields = read_error_fields("SFEHLER\0Mhallo\0"sv);
  CHECK(fields.severity == "FEHLER");
  CHECK(fields.sqlstate.empty());
  CHECK(fields.message == "hallo");
}

TEST_CASE("of repeated fields of an error the last counts, and V goes before S") {
  const ErrorFields fields = read_error_fields("Cone\0VERROR\0SFEHLER\0Ctwo\0Ma\0Mb\0x?\0\0"sv);
  CHECK(fields.severity == "ERROR");
  CHECK(fields.sqlstate == "two");
  CHECK(fields.message == "b");
  CHECK(read_error_fields("Ma\0\0Mb\0"sv).message == "a");
}

TEST_CASE("a truncated error is read as far as it goes") {
  const std::string body = "SERROR\0C57014\0Mstop\0\0"s;
  for_each_truncation(body, [](const std::string& part) {
    const ErrorFields fields = read_error_fields(part);
    CHECK((fields.message.empty() || fields.message == "stop"));
    CHECK((fields.sqlstate.empty() || fields.sqlstate == "57014"));
  });
}

TEST_CASE("authentication requests come back as they were written") {
  const auto ok = read_authentication(written('R', write_authentication_ok));
  REQUIRE(ok);
  CHECK(ok->kind == AuthenticationKind::ok);

  const auto cleartext = read_authentication(written('R', write_authentication_cleartext_password));
  REQUIRE(cleartext);
  CHECK(cleartext->kind == AuthenticationKind::cleartext_password);

  const std::string md5_body =
      written('R', [](Writer& out) { write_authentication_md5_password(out, "\0abc"sv); });
  const auto md5 = read_authentication(md5_body);
  REQUIRE(md5);
  CHECK(md5->kind == AuthenticationKind::md5_password);
  CHECK(md5->salt == "\0abc"s);
  for_each_truncation(md5_body, [](const std::string& part) { CHECK_FALSE(read_authentication(part)); });
  CHECK_FALSE(read_authentication(md5_body + "x"));

  const std::array<Bytes, 2> mechanisms{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"};
  const std::string sasl_body =
      written('R', [&](Writer& out) { write_authentication_sasl(out, mechanisms); });
  const auto sasl = read_authentication(sasl_body);
  REQUIRE(sasl);
  CHECK(sasl->kind == AuthenticationKind::sasl);
  CHECK(sasl->mechanisms == std::vector<Bytes>{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"});
  for_each_truncation(sasl_body, [](const std::string& part) { CHECK_FALSE(read_authentication(part)); });
  CHECK_FALSE(read_authentication(sasl_body + "x"));

  const std::string go_body =
      written('R', [](Writer& out) { write_authentication_sasl_continue(out, "r=1"); });
  const auto go = read_authentication(go_body);
  REQUIRE(go);
  CHECK(go->kind == AuthenticationKind::sasl_continue);
  CHECK(go->data == "r=1");

  const std::string end_body = written('R', [](Writer& out) { write_authentication_sasl_final(out, "v=1"); });
  const auto end = read_authentication(end_body);
  REQUIRE(end);
  CHECK(end->kind == AuthenticationKind::sasl_final);
  CHECK(end->data == "v=1");
}

TEST_CASE("authentication methods of no use are told by number") {
  for (std::uint32_t code : {1u, 2u, 4u, 6u, 7u, 8u, 9u, 13u, 0xffffffffu}) {
    const auto request = read_authentication(big_endian(code) + "data");
    REQUIRE(request);
    CHECK(request->kind == AuthenticationKind::other);
    CHECK(request->code == code);
  }
  CHECK_FALSE(read_authentication(""));
  CHECK_FALSE(read_authentication("\0\0\0"s));
  CHECK_FALSE(read_authentication("\0\0\0\0x"s));
}

TEST_CASE("ParameterStatus has a name and a value") {
  const std::string body = written('S', [](Writer& out) { write_parameter_status(out, "TimeZone", ""); });
  const auto status = read_parameter_status(body);
  REQUIRE(status);
  CHECK(status->name == "TimeZone");
  CHECK(status->value == "");
  for_each_truncation(body, [](const std::string& part) { CHECK_FALSE(read_parameter_status(part)); });
  CHECK_FALSE(read_parameter_status(body + "x"));
}

TEST_CASE("BackendKeyData has a secret of 4 to 256 bytes") {
  for (std::size_t size : {0u, 3u, 4u, 32u, 256u, 257u}) {
    const std::string secret(size, '\xee');
    const std::string body = written('K', [&](Writer& out) { write_backend_key_data(out, 77, secret); });
    const auto key = read_backend_key_data(body);
    CAPTURE(size);
    REQUIRE(key.has_value() == (size >= 4 && size <= 256));
    if (!key) continue;
    CHECK(key->pid == 77);
    CHECK(key->secret == secret);
  }
  for (std::size_t size = 0; size < 8; ++size) CHECK_FALSE(read_backend_key_data(std::string(size, 'x')));
}

TEST_CASE("ReadyForQuery has one of three states") {
  for (TransactionStatus status :
       {TransactionStatus::idle, TransactionStatus::in_transaction, TransactionStatus::failed}) {
    CHECK(read_ready_for_query(written('Z', [&](Writer& out) { write_ready_for_query(out, status); })) ==
          status);
  }
  for (const std::string& body : {""s, "\0"s, "i"s, "X"s, "II"s}) CHECK_FALSE(read_ready_for_query(body));
}

TEST_CASE("NegotiateProtocolVersion names the whole version and the options that are not known") {
  const std::vector<std::pair<std::string, std::string>> options{{"_pq_.a", "1"}, {"_pq_.b", ""}};
  const std::string body =
      written('v', [&](Writer& out) { write_negotiate_protocol_version(out, 0, options); });
  CHECK(body == "\0\3\0\0\0\0\0\2_pq_.a\0_pq_.b\0"s);
  const auto version = read_negotiate_protocol_version(body);
  REQUIRE(version);
  CHECK(version->newest_minor == 0);
  CHECK(version->options == std::vector<Bytes>{"_pq_.a", "_pq_.b"});
  for_each_truncation(body,
                      [](const std::string& part) { CHECK_FALSE(read_negotiate_protocol_version(part)); });
  for (std::uint32_t count : hostile_lengths) {
    CHECK_FALSE(read_negotiate_protocol_version("\0\3\0\0"s + big_endian(count) + "a\0"s));
  }
}

TEST_CASE("a row description comes back as it was written") {
  const std::array<Column, 3> columns{Column{"name"}, Column{"", type_oid::int4},
                                      Column{"n", type_oid::numeric}};
  const std::string body = written('T', [&](Writer& out) { write_row_description(out, columns); });
  CHECK(body.substr(0, 2 + 5 + 18) == "\0\3name\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"s);
  CHECK(read_row_description(body) == std::vector<Column>(columns.begin(), columns.end()));
  for_each_truncation(body, [](const std::string& part) { CHECK_FALSE(read_row_description(part)); });
  CHECK_FALSE(read_row_description(body + "x"));
  CHECK_FALSE(read_row_description("\xff\xff"s));
  CHECK_FALSE(read_row_description("\xff\xff\0\0\0"s));
}

TEST_CASE("a row comes back as it was written, NULL and empty told apart") {
  Writer out;
  const std::string kept = "a\0b"s;
  const std::array<std::optional<Bytes>, 3> row{Bytes(kept), std::nullopt, ""};
  write_data_row(out, row);
  const std::string body = body_of(out, 'D');
  const auto back = read_data_row(body);
  REQUIRE(back);
  CHECK(*back == std::vector<std::optional<Bytes>>(row.begin(), row.end()));
  for_each_truncation(body, [](const std::string& part) { CHECK_FALSE(read_data_row(part)); });
  CHECK_FALSE(read_data_row(body + "x"));
}

TEST_CASE("a row of strings is a row without NULL") {
  Writer out;
  const std::vector<std::string> row{"1", ""};
  write_data_row(out, row);
  CHECK(body_of(out, 'D') == "\0\2\0\0\0\1"s + "1\0\0\0\0"s);
}

TEST_CASE("a row with lengths and counts that its body does not have is refused") {
  for (std::uint32_t length : hostile_lengths) {
    CAPTURE(length);
    CHECK_FALSE(read_data_row("\0\1"s + big_endian(length)));
    CHECK_FALSE(read_data_row("\0\1"s + big_endian(length) + "abc"));
  }
  CHECK(read_data_row("\0\1"s + big_endian(3) + "abc"));
  CHECK(read_data_row("\0\1"s + big_endian(0)));
  CHECK(read_data_row("\0\1"s + big_endian(0xffffffff)));
  CHECK_FALSE(read_data_row("\xff\xff"s));
  CHECK_FALSE(read_data_row("\x7f\xff"s + big_endian(0)));
}

TEST_CASE("a command's tag and the parameters' types") {
  const std::string tag_body = written('C', [](Writer& out) { write_command_complete(out, "SELECT 3"); });
  CHECK(read_command_complete(tag_body) == "SELECT 3");
  for_each_truncation(tag_body, [](const std::string& part) { CHECK_FALSE(read_command_complete(part)); });
  CHECK_FALSE(read_command_complete("a\0b"s));

  const std::array<std::uint32_t, 2> types{25, 0xffffffff};
  const std::string types_body = written('t', [&](Writer& out) { write_parameter_description(out, types); });
  CHECK(read_parameter_description(types_body) == std::vector<std::uint32_t>{25, 0xffffffff});
  for_each_truncation(types_body,
                      [](const std::string& part) { CHECK_FALSE(read_parameter_description(part)); });
}

TEST_CASE("replies without a body") {
  Writer out;
  write_empty_query_response(out);
  write_parse_complete(out);
  write_bind_complete(out);
  write_close_complete(out);
  write_no_data(out);
  write_portal_suspended(out);
  CHECK(out.view() ==
        "I\0\0\0\4"s + "1\0\0\0\4"s + "2\0\0\0\4"s + "3\0\0\0\4"s + "n\0\0\0\4"s + "s\0\0\0\4"s);
}

TEST_CASE("COPY, function and notification replies") {
  CHECK(written('G', [](Writer& out) { write_copy_in_response(out, 2); }) == "\0\0\2\0\0\0\0"s);
  CHECK(written('H', [](Writer& out) { write_copy_out_response(out, 1); }) == "\0\0\1\0\0"s);
  CHECK(written('W', [](Writer& out) { write_copy_both_response(out, 0); }) == "\0\0\0"s);
  CHECK(written('V', [](Writer& out) { write_function_call_response(out, std::nullopt); }) ==
        "\xff\xff\xff\xff"s);
  CHECK(written('V', [](Writer& out) { write_function_call_response(out, "x"); }) == "\0\0\0\1x"s);
  CHECK(written('A', [](Writer& out) { write_notification_response(out, 9, "c", "p"); }) ==
        "\0\0\0\x09"s + "c\0p\0"s);
}

TEST_CASE("what a client sent cannot add a field to an error") {
  const std::string message = "no such database \"x\0C00000\""s;
  const std::string body = written(
      'E', [&](Writer& out) { write_error_response(out, {.sqlstate = "3D000", .message = message}); });
  CHECK(read_error_fields(body).sqlstate == "3D000");
  CHECK(read_error_fields(body).message == "no such database \"x");
}

TEST_CASE("a notification") {
  Writer out;
  write_notification_response(out, 4711, "jobs", "it's done");
  const Bytes body = out.view().substr(5);
  const auto read = read_notification_response(body);
  REQUIRE(read);
  CHECK(read->pid == 4711);
  CHECK(read->channel == "jobs");
  CHECK(read->payload == "it's done");
  for (std::size_t size = 0; size < body.size(); ++size)
    CHECK_FALSE(read_notification_response(body.substr(0, size)));
  CHECK_FALSE(read_notification_response(std::string(body) + "x"));
}
