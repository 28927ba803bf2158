// A byte stream from a client, cut at random: the pieces put together give the input, whatever the cuts, and
// the ledger takes note of what comes.
//
// The first byte chooses the cuts, the rest is the stream.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "protocol/framer.h"
#include "protocol/ledger.h"
#include "protocol/message.h"

using namespace pgweir;

namespace {

const Framer::Types gathered = [] {
  Framer::Types types;
  for (const char type : {'p', 'Q', 'P', 'f'}) types.set(static_cast<unsigned char>(type));
  return types;
}();

struct Message {
  char type;
  std::string body;
  friend bool operator==(const Message&, const Message&) = default;
};

struct Outcome {
  std::vector<Message> messages;
  std::size_t accepted = 0;  // bytes of pieces
  std::optional<FrameError> error;
};

void check(bool holds) {
  if (!holds) std::abort();
}

// `seed` 0: the whole stream at once.
Outcome run(Bytes stream, std::uint32_t seed) {
  Framer framer(&gathered, frontend_body_limit);
  Outcome outcome;
  Message current{};
  bool inside = false;
  for (Bytes rest = stream; !rest.empty() && !framer.error();) {
    std::size_t size = rest.size();
    if (seed != 0) {
      seed = seed * 1664525 + 1013904223;
      size = std::min<std::size_t>(size, 1 + (seed >> 16) % (seed % 3 == 0 ? 4 : 40));
    }
    // In memory of its own, so that the sanitizer sees a view that leaves it.
    const std::vector<char> copy(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size));
    rest.remove_prefix(size);
    Bytes read(copy.data(), copy.size());
    while (const auto piece = framer.next(read)) {
      check(piece->first != inside);
      check(frontend_body_limit(piece->type).has_value());
      check(piece->length <= *frontend_body_limit(piece->type));
      if (piece->first) current = {piece->type, ""};
      check(piece->type == current.type);
      check(stream.substr(outcome.accepted).starts_with(piece->raw));
      outcome.accepted += piece->raw.size();
      current.body += piece->raw.substr(piece->first ? 5 : 0);
      check(piece->last == (current.body.size() == piece->length));
      check(framer.at_boundary() == piece->last);
      inside = !piece->last;
      if (!piece->last) continue;
      if (gathered.test(static_cast<unsigned char>(piece->type))) check(piece->body == current.body);
      outcome.messages.push_back(current);
    }
    check(framer.error() || read.empty());
  }
  outcome.error = framer.error();
  if (!outcome.error) check(outcome.accepted + 5 > stream.size());  // all but a header that is not complete
  return outcome;
}

// A server that answers each request in the shortest way that is right: then everything fits, nothing is owed
// after any of them, and the server is at rest but for a batch that its Sync has not ended.
void answer(const std::vector<Message>& messages) {
  Ledger ledger;
  bool batch_open = false;
  const auto expect = [&](char type) {
    check(ledger.received(type).action == ReplyVerdict::Action::forward);
  };
  for (const auto& message : messages) {
    ledger.sent(message.type);
    switch (message.type) {
      case 'Q':
        expect('I');
        expect('Z');
        break;
      case 'F':
        expect('V');
        expect('Z');
        break;
      case 'P':
        expect('1');
        break;
      case 'B':
        expect('2');
        break;
      case 'D':
        expect('n');
        break;
      case 'E':
        expect('s');
        break;
      case 'C':
        expect('3');
        break;
      case 'S':
        expect('Z');
        break;
      default:
        break;
    }
    if (Bytes("PBDEC").find(message.type) != Bytes::npos) batch_open = true;
    if (Bytes("QFS").find(message.type) != Bytes::npos) batch_open = false;
    check(ledger.empty());
    check(ledger.settled() == !batch_open && ledger.needs_sync() == batch_open);
  }
}

// The same all at once: nothing is answered yet, then the first request fails.
void fail(const std::vector<Message>& messages) {
  Ledger ledger;
  std::size_t requests = 0;
  for (const auto& message : messages) {
    ledger.sent(message.type);
    requests += Bytes("QFPBDECScf").find(message.type) != Bytes::npos;
    check(ledger.size() <= requests);
  }
  const std::size_t owed = ledger.size();
  check(ledger.received('E').action == ReplyVerdict::Action::forward);
  check(ledger.size() <= owed);
  if (ledger.skipping()) {
    check(ledger.empty() && ledger.needs_sync());
    ledger.sent('S');
    check(!ledger.needs_sync());
    check(ledger.received('Z').ready);
    check(ledger.settled());
  }
  ledger.swallow_all();
  check(ledger.front_is_own() != ledger.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = run(stream, 0);
  const Outcome cut = run(stream, data[0] + 1U);
  check(whole.messages == cut.messages);
  check(whole.error == cut.error);
  if (!whole.error) check(stream.size() - whole.accepted < 5 && stream.size() - cut.accepted < 5);
  answer(whole.messages);
  fail(whole.messages);
  return 0;
}
