#include "protocol/framer.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "protocol/writer.h"
#include "tests/sim/seeded_random.h"

using namespace pgweir;
using namespace std::string_view_literals;

namespace {

const Framer::Types gathered = [] {
  Framer::Types types;
  types.set('G');
  types.set(0xfe);
  return types;
}();

// G and P exist and may have 1,000 bytes, B a lot, E none, 0xfe some.
std::optional<std::uint32_t> limit(char type) {
  switch (static_cast<unsigned char>(type)) {
    case 'G':
    case 'P':
    case 0xfe:
      return 1000;
    case 'B':
      return 100'000'000;
    case 'E':
      return 0;
    default:
      return std::nullopt;
  }
}

std::string header(char type, std::uint32_t length) {
  Writer out;
  out.u8(static_cast<std::uint8_t>(type)).u32(length);
  return out.take();
}

std::string message(char type, Bytes body) {
  return header(type, static_cast<std::uint32_t>(body.size()) + 4).append(body);
}

struct Message {
  char type;
  std::string body;
  friend bool operator==(const Message&, const Message&) = default;
};

// Puts pieces together and checks what every piece must be, by itself and after the one before.
class Collector {
 public:
  void feed(Framer& framer, Bytes read) {
    while (!read.empty()) {
      const Bytes before = read;
      const auto piece = framer.next(read);
      if (!piece) {
        if (!framer.error()) CHECK(read.empty());
        return;
      }
      CHECK(piece->first == !inside_);
      if (piece->first) current_ = {piece->type, ""};
      CHECK(piece->type == current_.type);
      if (piece->borrowed) {
        CHECK(piece->first);
        CHECK(piece->raw.size() == 5);
      } else {
        // Not copied: the piece lies in the read, and is what the read has lost.
        CHECK(piece->raw.data() == before.data());
        CHECK(piece->raw.size() == before.size() - read.size());
      }
      raw += piece->raw;
      current_.body += piece->raw.substr(piece->first ? 5 : 0);
      inside_ = !piece->last;
      CHECK(framer.at_boundary() == piece->last);
      if (piece->last) {
        CHECK(piece->length == current_.body.size());
        if (gathered.test(static_cast<unsigned char>(piece->type))) CHECK(piece->body == current_.body);
        messages.push_back(current_);
      } else {
        CHECK(current_.body.size() < piece->length);
        CHECK(piece->body.empty());
      }
    }
  }

  std::string raw;
  std::vector<Message> messages;

 private:
  bool inside_ = false;
  Message current_{};
};

const std::vector<Message> sample{
    {'G', "gathered"}, {'E', ""}, {'P', "passed"},  {'G', ""},
    {'P', ""},         {'E', ""}, {'\xfe', "\xff"}, {'G', std::string(300, 'g')},
    {'P', "x"}};

std::string bytes_of(const std::vector<Message>& messages) {
  std::string bytes;
  for (const auto& [type, body] : messages) bytes += message(type, body);
  return bytes;
}

}  // namespace

TEST_CASE("framer: one read may hold many messages") {
  const std::string bytes = bytes_of(sample);
  Framer framer(&gathered, limit);
  CHECK(framer.at_boundary());
  Collector collector;
  collector.feed(framer, bytes);
  CHECK(collector.messages == sample);
  CHECK(collector.raw == bytes);
  CHECK(framer.at_boundary());
  CHECK_FALSE(framer.error());
}

TEST_CASE("framer: the stream may be cut anywhere, in two or into single bytes") {
  const std::string bytes = bytes_of(sample);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    CAPTURE(cut);
    // Each part in memory of its own, so that the address sanitizer sees a view that outlives its read.
    const std::string head = bytes.substr(0, cut), tail = bytes.substr(cut);
    Framer framer(&gathered, limit);
    Collector collector;
    collector.feed(framer, head);
    collector.feed(framer, tail);
    REQUIRE(collector.messages == sample);
    CHECK(collector.raw == bytes);
  }
  Framer framer(&gathered, limit);
  Collector collector;
  for (char c : bytes) collector.feed(framer, std::string(1, c));
  CHECK(collector.messages == sample);
  CHECK(collector.raw == bytes);
}

TEST_CASE("framer: random cuts of random messages") {
  sim::SeededRandom random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Message> messages;
    for (int i = 0; i < 20; ++i) {
      const char type = random.pick({'G', 'P', 'E', '\xfe'});
      messages.push_back({type, std::string(type == 'E' ? 0 : random.below(40), static_cast<char>('a' + i))});
    }
    const std::string bytes = bytes_of(messages);
    Framer framer(&gathered, limit);
    Collector collector;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::string part = bytes.substr(at, 1 + random.below(30));
      collector.feed(framer, part);
      at += part.size();
    }
    REQUIRE(collector.messages == messages);
    REQUIRE(collector.raw == bytes);
  }
}

TEST_CASE("framer: a header in parts is borrowed, a header in one part is not") {
  const std::string bytes = message('P', "body");
  for (std::size_t cut = 0; cut <= 9; ++cut) {
    CAPTURE(cut);
    Framer framer(&gathered, limit);
    const std::string head = bytes.substr(0, cut), tail = bytes.substr(cut);
    Bytes read = head;
    auto piece = framer.next(read);
    CHECK(framer.at_boundary() == (cut == 0 || cut == 9));
    if (!piece) {
      CHECK(read.empty());
      read = tail;
      piece = framer.next(read);
    }
    REQUIRE(piece);
    CHECK(piece->first);
    CHECK(piece->borrowed == (cut > 0 && cut < 5));
    CHECK(piece->length == 4);
  }
}

TEST_CASE("framer: a large message passes in pieces, whatever length it declares") {
  Framer framer(&gathered, limit);
  const std::string begin = header('B', 50'000'004) + "abc";
  Bytes read = begin;
  auto piece = framer.next(read);
  REQUIRE(piece);
  CHECK(piece->first);
  CHECK_FALSE(piece->last);
  CHECK(piece->raw.size() == 8);
  CHECK(piece->length == 50'000'000);
  const std::string chunk(100'000, 'x');
  std::size_t seen = 3;
  while (seen < 50'000'000) {
    read = chunk;
    piece = framer.next(read);
    REQUIRE(piece);
    seen += piece->raw.size();
    CHECK(piece->body.empty());
    CHECK(piece->last == (seen == 50'000'000));
  }
  CHECK(read.size() == 3);  // the last chunk was longer than the message
}

TEST_CASE("framer: lengths at the limit pass, beyond it and below four they do not") {
  struct Case {
    char type;
    std::uint32_t length;
    std::optional<FrameError> error;
  };
  for (const Case& row : {
           Case{'P', 4, std::nullopt},
           Case{'P', 1004, std::nullopt},
           Case{'P', 1005, FrameError::bad_length},
           Case{'P', 0, FrameError::bad_length},
           Case{'P', 3, FrameError::bad_length},
           Case{'P', 0x7fffffff, FrameError::bad_length},
           Case{'P', 0x80000000, FrameError::bad_length},
           Case{'P', 0xffffffff, FrameError::bad_length},
           Case{'E', 4, std::nullopt},
           Case{'E', 5, FrameError::bad_length},
           Case{'?', 4, FrameError::unknown_type},
           Case{'\0', 4, FrameError::unknown_type},
           Case{'\xff', 0, FrameError::unknown_type},
       }) {
    CAPTURE(static_cast<int>(row.type));
    CAPTURE(row.length);
    const auto& [type, length, error] = row;
    const std::string bytes = header(type, length);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
      Framer framer(&gathered, limit);
      Bytes read = Bytes(bytes).substr(0, cut);
      CHECK_FALSE(framer.next(read));
      read = Bytes(bytes).substr(cut);
      CHECK(framer.next(read).has_value() == !error);
      CHECK(framer.error() == error);
      if (error) CHECK(framer.error_type() == type);
    }
  }
}

TEST_CASE("framer: an unknown type is refused with its first byte") {
  Framer framer(&gathered, limit);
  Bytes read = "?";
  CHECK_FALSE(framer.next(read));
  CHECK(framer.error() == FrameError::unknown_type);
  CHECK(framer.error_type() == '?');
}

TEST_CASE("framer: after an error nothing comes any more") {
  const std::string bytes = message('P', "good") + header('P', 2) + message('P', "good");
  Framer framer(&gathered, limit);
  Bytes read = bytes;
  CHECK(framer.next(read));
  CHECK_FALSE(framer.next(read));
  CHECK(framer.error() == FrameError::bad_length);
  const std::string more = message('P', "good");
  read = more;
  CHECK_FALSE(framer.next(read));
  CHECK(framer.error() == FrameError::bad_length);
}

TEST_CASE("framer: an empty read changes nothing") {
  Framer framer(&gathered, limit);
  Bytes read;
  CHECK_FALSE(framer.next(read));
  const std::string bytes = message('G', "ab");
  read = Bytes(bytes).substr(0, 6);
  REQUIRE(framer.next(read));
  read = {};
  CHECK_FALSE(framer.next(read));
  CHECK_FALSE(framer.at_boundary());
  read = Bytes(bytes).substr(6);
  const auto piece = framer.next(read);
  REQUIRE(piece);
  CHECK(piece->body == "ab");
}
