// A dialogue with a hostile server. Requests go out as the input says, the server's bytes come back cut at
// random; whatever it says, the pieces put together give what it said, and the ledger keeps its promises.
//
// The input is a row of blocks. A block begins with a byte n: below 128, n % 32 requests follow, a byte each
// (which request, and whose); from 128 on, n - 128 bytes from the server follow.

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
  for (const char type : {'E', 'K', 'R', 'S', 'Z', 'v'}) types.set(static_cast<unsigned char>(type));
  return types;
}();

void check(bool holds) {
  if (!holds) std::abort();
}

class Dialogue {
 public:
  void send(std::uint8_t choice) {
    constexpr Bytes types = "QFPBDECSSdcfHXQE";
    const std::size_t before = ledger_.size();
    ledger_.sent(types[choice % 16], choice >= 128 ? Reply::swallow : Reply::forward);
    check(ledger_.size() <= before + 1);
    check_ledger();
  }

  // False when the server is not to be listened to any more.
  bool receive(Bytes bytes) {
    said_ += bytes;
    while (!bytes.empty()) {
      // Cut by what the bytes happen to be, in memory of their own.
      const std::size_t size = std::min<std::size_t>(bytes.size(), 1 + said_.size() * 7 % 13);
      const std::vector<char> copy(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
      bytes.remove_prefix(size);
      Bytes read(copy.data(), copy.size());
      while (const auto piece = framer_.next(read)) {
        if (!take(*piece)) return false;
      }
      if (framer_.error()) return false;
      check(read.empty());
    }
    return true;
  }

 private:
  bool take(const Piece& piece) {
    check(piece.first != inside_);
    inside_ = !piece.last;
    check(framer_.at_boundary() == piece.last);
    check(Bytes(said_).substr(heard_).starts_with(piece.raw));
    heard_ += piece.raw.size();
    if (piece.first) body_.clear();
    body_ += piece.raw.substr(piece.first ? 5 : 0);
    check(piece.last == (body_.size() == piece.length));
    if (piece.last && gathered.test(static_cast<unsigned char>(piece.type))) check(piece.body == body_);
    return !piece.first || judge(piece.type);
  }

  bool judge(char type) {
    const bool uncertain = ledger_.uncertain(), own = ledger_.front_is_own();
    const std::size_t owed = ledger_.size();
    const ReplyVerdict verdict = ledger_.received(type);
    check(ledger_.size() <= owed);
    check(!uncertain || ledger_.uncertain());  // for good
    if (uncertain) {
      check(verdict.action == ReplyVerdict::Action::forward);
    } else {
      // Nothing of the proxy's own reaches a client, nothing of a client's is withheld.
      check((verdict.action == ReplyVerdict::Action::swallow) ==
            (own && verdict.action != ReplyVerdict::Action::violation));
      check(!verdict.ready || verdict.completed);
      check(!verdict.completed || ledger_.size() < owed);
    }
    check(!verdict.ready || type == 'Z');
    check_ledger();
    return verdict.action != ReplyVerdict::Action::violation;
  }

  void check_ledger() const {
    check(ledger_.empty() == (ledger_.size() == 0));
    check(!ledger_.settled() || (ledger_.empty() && !ledger_.needs_sync() && !ledger_.front_is_own()));
    check(!ledger_.skipping() || (ledger_.empty() && ledger_.needs_sync()));
    check(!ledger_.uncertain() || (ledger_.empty() && !ledger_.settled()));
    if (ledger_.copy() != CopyMode::none) check(!ledger_.empty());
  }

  Framer framer_{&gathered, backend_body_limit};
  Ledger ledger_;
  bool inside_ = false;
  std::string said_, body_;
  std::size_t heard_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Dialogue dialogue;
  for (std::size_t at = 0; at < size;) {
    const std::uint8_t kind = data[at++];
    const std::size_t length = std::min<std::size_t>(kind < 128 ? kind % 32 : kind - 128, size - at);
    if (kind < 128) {
      for (std::size_t i = 0; i < length; ++i) dialogue.send(data[at + i]);
    } else if (!dialogue.receive(Bytes(reinterpret_cast<const char*>(data) + at, length))) {
      return 0;
    }
    at += length;
  }
  return 0;
}
