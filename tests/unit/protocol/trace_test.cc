#include "protocol/trace.h"

#include <doctest/doctest.h>

#include <array>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "protocol/startup.h"
#include "tests/unit/protocol/message_body.h"

using namespace pgweir;
using namespace std::literals;

namespace {

std::string frontend(const Writer& out) { return trace_frontend(out.view()[0], out.view().substr(5)); }
std::string backend(const Writer& out) { return trace_backend(out.view()[0], out.view().substr(5)); }

bool shows(const std::string& line, const std::string& text) { return line.find(text) != std::string::npos; }

bool is_one_printable_line(const std::string& line) {
  for (char c : line) {
    if (c != '\t' && (c < 0x20 || c > 0x7e)) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("a line has direction, length, name and fields") {
  Writer query, bind, describe, execute, sync;
  write_query(query, "SELECT 1");
  write_bind(bind, BindMessage{.portal = "", .statement = "s", .parameters = {"1", std::nullopt}});
  write_describe(describe, {'P', "x"});
  write_execute(execute, "", 10);
  write_sync(sync);
  CHECK(frontend(query) == "F\t13\tQuery\t\"SELECT 1\"");
  CHECK(frontend(bind) == "F\t22\tBind\t\"\"\t\"s\"\t2\t\"1\"\tNULL");
  CHECK(frontend(describe) == "F\t7\tDescribe\tP\t\"x\"");
  CHECK(frontend(execute) == "F\t9\tExecute\t\"\"\t10");
  CHECK(frontend(sync) == "F\t4\tSync");
}

TEST_CASE("a server's lines") {
  Writer error, rows, row, done, ready, status;
  write_error_response(error, {.sqlstate = "57014", .message = "stop"});
  const std::array<Column, 1> columns{Column{"n", type_oid::int4}};
  write_row_description(rows, columns);
  const std::array<std::optional<Bytes>, 2> values{"1", std::nullopt};
  write_data_row(row, values);
  write_command_complete(done, "SELECT 1");
  write_ready_for_query(ready, TransactionStatus::idle);
  write_parameter_status(status, "TimeZone", "UTC");
  CHECK(shows(backend(error), "\tErrorResponse\tS=\"ERROR\"\tC=\"57014\"\tM=\"stop\""));
  CHECK(backend(rows) == "B\t26\tRowDescription\t1\t\"n\"\t23");
  CHECK(backend(row) == "B\t15\tDataRow\t2\t\"1\"\tNULL");
  CHECK(backend(done) == "B\t13\tCommandComplete\t\"SELECT 1\"");
  CHECK(backend(ready) == "B\t5\tReadyForQuery\tI");
  CHECK(backend(status) == "B\t17\tParameterStatus\t\"TimeZone\"\t\"UTC\"");
}

TEST_CASE("startup packets have lines too") {
  StartupMessage message;
  message.user = "ann";
  message.database = "shop";
  message.parameters = {{"application_name", "a\nb"}};
  Writer out;
  write_startup(out, message);
  CHECK(shows(trace_startup(out.view().substr(4)),
              "\tStartupMessage\t3.0\tuser=\"ann\"\tdatabase=\"shop\"\tapplication_name=\"a\\x0ab\""));
  Writer ssl;
  write_ssl_request(ssl);
  CHECK(trace_startup(ssl.view().substr(4)) == "F\t8\tSSLRequest");
  CHECK(shows(trace_startup("\0\3\0\0"s), "malformed"));
}

TEST_CASE("passwords, SASL data and cancel keys are not shown") {
  std::vector<std::string> lines;
  const auto add = [&](auto trace, auto write) {
    Writer out;
    write(out);
    lines.push_back(trace(out));
  };
  const auto startup = [](const Writer& out) { return trace_startup(out.view().substr(4)); };
  add(frontend, [](Writer& out) { write_password(out, "hush"); });
  add(frontend, [](Writer& out) { write_sasl_initial_response(out, "SCRAM-SHA-256", "hush"); });
  add(frontend, [](Writer& out) { write_sasl_response(out, "hush"); });
  add(backend, [](Writer& out) { write_authentication_md5_password(out, "hush"); });
  add(backend, [](Writer& out) { write_authentication_sasl_continue(out, "hush"); });
  add(backend, [](Writer& out) { write_authentication_sasl_final(out, "hush"); });
  add(backend, [](Writer& out) { write_backend_key_data(out, 7, "hush"); });
  add(backend, [](Writer& out) { write_backend_key_data(out, 7, std::string(300, 'x') + "hush"); });
  add(startup, [](Writer& out) { write_cancel_request(out, 7, "hush"); });
  add(startup, [](Writer& out) { write_cancel_request(out, 7, std::string(300, 'x') + "hush"); });
  for (const std::string& line : lines) {
    CAPTURE(line);
    CHECK_FALSE(shows(line, "hush"));
    CHECK(is_one_printable_line(line));
  }
}

TEST_CASE("any type with any body makes one printable line of bounded length") {
  std::string noise;
  for (int i = 0; i < 4096; ++i) noise += static_cast<char>(i * 7);
  for (int i = 0; i < 256; ++i) {
    const char type = static_cast<char>(i);
    for (const std::string& body :
         {""s, "\0"s, "\n\x1b[31m\0"s, std::string(4096, '\0'), std::string(4096, '\xff'), noise}) {
      for (const std::string& line :
           {trace_frontend(type, body), trace_backend(type, body), trace_startup(body)}) {
        CHECK(is_one_printable_line(line));
        CHECK(line.size() < 32768);
      }
    }
  }
  CHECK(trace_frontend('\n', "") == "F\t4\tUnknown\t\"\\x0a\"");
  CHECK(trace_frontend('P', "x") == "F\t5\tParse\tmalformed");
}
