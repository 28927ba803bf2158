// Any bytes as a state file: as they are, and as the payloads of records whose checksums are right. What is
// understood can be written, read back, summed and printed; the second time it gives the same.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "admin/profile_report.h"
#include "pool/byte_codec.h"
#include "pool/crc32c.h"
#include "pool/state_codec.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

constexpr Duration wall_offset = 20'000 * 24h;

void must(bool holds) {
  if (!holds) std::abort();
}

std::string encode(const State& state) {
  std::string bytes = state_header();
  state.for_each([&](const StateEntry& entry) { append_record(bytes, entry, wall_offset); });
  return bytes;
}

void check(std::string_view bytes) {
  const StateRead read = read_state(bytes, wall_offset);
  must(read.good <= bytes.size());
  if (read.kind != StateRead::Kind::ours) return;
  const std::string once = encode(read.state);
  StateRead again = read_state(once, wall_offset);
  must(again.good == once.size());
  must(again.skipped == 0);
  again.state.close(Instant(1h));
  show_profile(again.state, "");
  for (const auto& [route, pool] : again.state.pools()) again.state.profile(route);
}

// kind, length (2 bytes), payload; again and again.
std::string framed(std::string_view data) {
  std::string bytes = state_header();
  while (data.size() >= 3) {
    const auto low = static_cast<unsigned char>(data[1]), high = static_cast<unsigned char>(data[2]);
    const std::size_t wanted = low | std::size_t{high} << 8;
    const std::size_t length = std::min(wanted, data.size() - 3);
    const std::string body = std::string(1, data[0]) + std::string(data.substr(3, length));
    ByteWriter out(bytes);
    out.fixed32(static_cast<std::uint32_t>(length));
    out.fixed32(crc32c(body));
    bytes += body;
    data.remove_prefix(3 + length);
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check(bytes);
  check(framed(bytes));
  return 0;
}
