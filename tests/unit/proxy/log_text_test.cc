#include "proxy/net/log_text.h"

#include <doctest/doctest.h>

namespace pgweir {
namespace {

// 2026-11-23 12:00:00.123 UTC
const WallTime noon{std::chrono::milliseconds(1795435200123)};

LogLine login() {
  LogLine line;
  line.side = 'C';
  line.connection = 42;
  line.database = "shop";
  line.user = "alice";
  line.peer = "10.0.0.7:51234";
  line.text = "login";
  return line;
}

TEST_CASE("a text line says when, how grave, who and what") {
  CHECK(text_line(login(), noon) == "2026-11-23 12:00:00.123 UTC INFO C#42 shop/alice@10.0.0.7:51234 login");
  LogLine plain;
  plain.level = LogLevel::warning;
  plain.text = "listening";
  CHECK(text_line(plain, noon) == "2026-11-23 12:00:00.123 UTC WARNING listening");
}

TEST_CASE("a line of a linked connection names the other side, and the backend") {
  LogLine line = login();
  line.link = 7;
  line.backend_pid = 4321;
  CHECK(text_line(line, noon) ==
        "2026-11-23 12:00:00.123 UTC INFO C#42 shop/alice@10.0.0.7:51234 S#7 pid 4321 login");
  CHECK(json_line(line, noon).find(R"("link":7,"backend_pid":4321,"msg":"login")") != std::string::npos);
  line.side = 'S';
  CHECK(text_line(line, noon).find("S#42 shop/alice@10.0.0.7:51234 C#7 pid 4321 login") != std::string::npos);
}

TEST_CASE("a JSON line has the fields that are known") {
  CHECK(json_line(login(), noon) ==
        R"({"ts":"2026-11-23T12:00:00.123Z","level":"info","side":"C","conn":42,"database":"shop",)"
        R"("user":"alice","peer":"10.0.0.7:51234","msg":"login"})");
  LogLine plain;
  plain.level = LogLevel::error;
  plain.text = "says \"no\"\n\\";
  CHECK(json_line(plain, noon) ==
        R"({"ts":"2026-11-23T12:00:00.123Z","level":"error","msg":"says \"no\"\\x0A\\"})");
}

TEST_CASE("a peer's words cannot forge lines, move the cursor or turn the text around") {
  CHECK(readable("a\nb\r\t\x1b[2J\x7f", 100) == "a\\x0Ab\\x0D\\x09\\x1B[2J\\x7F");
  CHECK(readable("\xE2\x80\xAE"
                 "evil",
                 100) ==
        "\\xE2\\x80\\xAE"
        "evil");
  CHECK(readable("\xC2\x9B"
                 "31m",
                 100) ==
        "\\xC2\\x9B"
        "31m");
  CHECK(readable(Bytes("\0x", 2), 100) == "\\x00x");
  LogLine line = login();
  line.user = "x login\n2026";
  CHECK(text_line(line, noon).find('\n') == std::string::npos);
  CHECK(text_line(line, noon).find("shop/\"x login\\x0A2026\"@") != std::string::npos);
}

TEST_CASE("letters of other scripts stay, what is not UTF-8 does not") {
  CHECK(readable("Gr\xC3\xB6\xC3\x9F"
                 "e \xE6\x95\xB0\xE6\x8D\xAE \xF0\x9F\x90\x98",
                 100) ==
        "Gr\xC3\xB6\xC3\x9F"
        "e \xE6\x95\xB0\xE6\x8D\xAE \xF0\x9F\x90\x98");
  CHECK(readable("\xC0\xAF", 100) == "\\xC0\\xAF");           // overlong
  CHECK(readable("\xED\xA0\x80", 100) == "\\xED\\xA0\\x80");  // surrogate
  CHECK(readable("\xF4\x90\x80\x80", 100) == "\\xF4\\x90\\x80\\x80");
  CHECK(readable("a\xE6\x95", 100) == "a\\xE6\\x95");  // cut off
  CHECK(readable("\xFF", 100) == "\\xFF");
}

TEST_CASE("long words are cut") {
  CHECK(readable(std::string(100, 'x'), 10) == "xxxxxxxxxx...");
  LogLine line;
  line.text = std::string(1 << 20, '"');
  CHECK(json_line(line, noon).size() < 4096);
  line.text = std::string(1 << 20, '\n');
  CHECK(text_line(line, noon).size() < 4096);
}

}  // namespace
}  // namespace pgweir
