#include "protocol/message.h"

#include <doctest/doctest.h>

#include "protocol/framer.h"

using namespace pgweir;

TEST_CASE("a message type has a limit exactly when it has a name") {
  int frontend = 0;
  int backend = 0;
  for (int i = 0; i < 256; ++i) {
    const char type = static_cast<char>(i);
    CAPTURE(i);
    CHECK((frontend_name(type) != "Unknown") == frontend_body_limit(type).has_value());
    CHECK((backend_name(type) != "Unknown") == backend_body_limit(type).has_value());
    frontend += frontend_body_limit(type).has_value();
    backend += backend_body_limit(type).has_value();
  }
  CHECK(frontend == 14);
  CHECK(backend == 24);
}

TEST_CASE("the same letter has the name of its direction") {
  CHECK(frontend_name('D') == "Describe");
  CHECK(backend_name('D') == "DataRow");
  CHECK(frontend_name('S') == "Sync");
  CHECK(backend_name('S') == "ParameterStatus");
  CHECK(frontend_name('E') == "Execute");
  CHECK(backend_name('E') == "ErrorResponse");
}

TEST_CASE("clients' messages have the limits of SocketBackend") {
  for (char type : Bytes("QPBFd")) CHECK(frontend_body_limit(type) == 0x3ffffffeu - 4);
  for (char type : Bytes("ECDSHXcf")) CHECK(frontend_body_limit(type) == 9996u);
  CHECK(frontend_body_limit('p') == 65531u);
}

TEST_CASE("the limit is on the declared length") {
  const Framer::Types whole;
  struct Row {
    Bytes header;
    bool good;
  };
  using namespace std::string_view_literals;
  const Row rows[] = {
      {"S\0\0\0\4"sv, true},          {"S\0\0\0\3"sv, false},         {"S\0\0\0\0"sv, false},
      {"S\xff\xff\xff\xff"sv, false}, {"S\x7f\xff\xff\xff"sv, false}, {"S\0\0\x27\x10"sv, true},
      {"S\0\0\x27\x11"sv, false},     {"p\0\0\xff\xff"sv, true},      {"p\0\1\0\0"sv, false},
      {"d\x3f\xff\xff\xfe"sv, true},  {"d\x3f\xff\xff\xff"sv, false},
  };
  for (const Row& row : rows) {
    Framer framer(&whole, frontend_body_limit);
    Bytes bytes = row.header;
    CAPTURE(printable(row.header));
    CHECK(framer.next(bytes).has_value() == row.good);
    CHECK(framer.error().has_value() == !row.good);
  }
}

TEST_CASE("servers' rows may be large, their other replies not") {
  for (char type : Bytes("TDdVENAt")) CHECK(backend_body_limit(type) == large_message_limit);
  for (char type : Bytes("RKSZC123Isn")) CHECK(backend_body_limit(type) == 29996u);
}
