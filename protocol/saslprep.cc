#include "protocol/saslprep.h"

#include <stringprep.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>

#include "protocol/digest.h"

namespace pgweir {
namespace {

// libidn's tables, those of RFC 3454, end with an entry of zeros. An entry for one character has no end.
bool is_in(std::uint32_t c, const Stringprep_table_element* table) {
  for (; table->start != 0 || table->end != 0; ++table) {
    if (c >= table->start && c <= std::max(table->start, table->end)) return true;
  }
  return false;
}

bool prohibited(std::uint32_t c) {
  for (const auto* table :
       {stringprep_rfc3454_C_1_2, stringprep_rfc3454_C_2_1, stringprep_rfc3454_C_2_2, stringprep_rfc3454_C_3,
        stringprep_rfc3454_C_4, stringprep_rfc3454_C_5, stringprep_rfc3454_C_6, stringprep_rfc3454_C_7,
        stringprep_rfc3454_C_8, stringprep_rfc3454_C_9, stringprep_rfc3454_A_1}) {
    if (is_in(c, table)) return true;
  }
  return false;
}

bool right_to_left(std::uint32_t c) { return is_in(c, stringprep_rfc3454_D_1); }
bool left_to_right(std::uint32_t c) { return is_in(c, stringprep_rfc3454_D_2); }

// RFC 3454 section 6.
bool direction_is_fine(std::span<const std::uint32_t> text) {
  if (std::none_of(text.begin(), text.end(), right_to_left)) return true;
  return right_to_left(text.front()) && right_to_left(text.back()) &&
         std::none_of(text.begin(), text.end(), left_to_right);
}

// Text from libidn that holds a secret: wiped and freed.
struct WipeAndFree {
  std::size_t bytes = 0;
  void operator()(void* data) const {
    wipe(data, bytes);
    std::free(data);
  }
};
template <class T>
using Owned = std::unique_ptr<T, WipeAndFree>;

// Steps 2.1, 2.3, 2.4 and 2.2 of RFC 4013, in PostgreSQL's order. Nothing when the password stays as it is.
std::optional<std::string> prepare(Bytes password) {
  std::size_t size = 0;
  Owned<std::uint32_t> text(
      stringprep_utf8_to_ucs4(password.data(), static_cast<ssize_t>(password.size()), &size));
  if (!text) return std::nullopt;
  text.get_deleter().bytes = size * sizeof(std::uint32_t);

  std::size_t kept = 0;
  for (std::uint32_t c : std::span(text.get(), size)) {
    if (is_in(c, stringprep_rfc3454_C_1_2)) {
      text.get()[kept++] = ' ';
    } else if (!is_in(c, stringprep_rfc3454_B_1)) {
      text.get()[kept++] = c;
    }
  }
  const std::span mapped(text.get(), kept);
  if (mapped.empty() || std::any_of(mapped.begin(), mapped.end(), prohibited) || !direction_is_fine(mapped)) {
    return std::nullopt;
  }

  Owned<std::uint32_t> normal(stringprep_ucs4_nfkc_normalize(mapped.data(), static_cast<ssize_t>(kept)));
  if (!normal) return std::nullopt;
  std::size_t normal_size = 0;
  while (normal.get()[normal_size] != 0) ++normal_size;
  normal.get_deleter().bytes = normal_size * sizeof(std::uint32_t);

  Owned<char> out(stringprep_ucs4_to_utf8(normal.get(), static_cast<ssize_t>(normal_size), nullptr, &size));
  if (!out) return std::nullopt;
  out.get_deleter().bytes = size;
  return std::string(out.get(), size);
}

}  // namespace

std::string saslprep(Bytes password) {
  const auto plain = [](char c) { return c != '\0' && static_cast<unsigned char>(c) < 0x80; };
  if (!std::all_of(password.begin(), password.end(), plain) && password.find('\0') == Bytes::npos) {
    if (auto prepared = prepare(password)) return *std::move(prepared);
  }
  return std::string(password);
}

}  // namespace pgweir
