#include "protocol/statement_classes.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "protocol/fingerprint.h"
#include "protocol/mix.h"
#include "protocol/sql_character.h"
#include "protocol/sql_lexer.h"

namespace pgweir {

namespace {

using namespace sql_character;

// A hash of what is left of `sql` without constants, blanks and comments: texts with the same sketch are of
// the same class, but not the other way round. 0: the text is none of the simple ones that this can do.
std::uint64_t sketch(HashKey key, Bytes sql) {
  std::uint64_t hash = key.first;
  const char* at = sql.data();
  const char* const end = at + sql.size();
  bool sign = false;                     // came last; it is part of a number, but of no other constant
  bool constant = false, comma = false;  // what came last; a comma behind a constant is not in the hash yet
  const auto value = [&] {
    if (!comma) hash = mix(hash, key.second);
    comma = false;
    constant = true;
    sign = false;
  };
  const auto other = [&](std::uint64_t part) {
    if (comma) hash = mix(hash, ',');
    comma = constant = sign = false;
    hash = mix(hash, part);
  };
  while (at < end) {
    const char c = *at;
    switch (class_of(c)) {
      case blank:
        ++at;
        break;
      case letter: {
        const char* const start = at;
        while (at < end && (class_of(*at) >= letter || *at == '$')) ++at;
        const auto size = static_cast<std::size_t>(at - start);
        if (size == 1 && at < end && (*at == '\'' || *at == '&')) return 0;
        other(size);
        // Letter case counts: two ways of writing are two sketches of one class.
        for (std::size_t i = 0; i < size; i += 8) {
          std::uint64_t chunk = 0;
          std::memcpy(&chunk, start + i, std::min<std::size_t>(8, size - i));
          hash = mix(hash, chunk);
        }
        break;
      }
      case digit:
        while (at < end && class_of(*at) == digit) ++at;
        if (at < end && *at == '.') ++at;
        while (at < end && class_of(*at) == digit) ++at;
        if (at < end && (class_of(*at) == letter || *at == '.')) return 0;
        value();
        break;
      case symbol: {
        const Bytes rest(at, static_cast<std::size_t>(end - at));
        if (c == '\'') {
          const std::size_t quote = rest.find('\'', 1);
          if (quote == Bytes::npos || rest[quote - 1] == '\\' || sign) return 0;
          if (rest.substr(quote + 1, 1) == "'") return 0;
          at += quote + 1;
          value();
        } else if (c == ',' && constant && !comma) {
          comma = true;
          ++at;
        } else if (c == '$') {
          ++at;
          if (at == end || class_of(*at) != digit || sign) return 0;
          while (at < end && class_of(*at) == digit) ++at;
          value();
        } else if (c == '"') {
          const std::size_t quote = rest.find('"', 1);
          if (quote == Bytes::npos || rest.substr(quote + 1, 1) == "\"") return 0;
          other('"');
          hash = mix(hash, keyed_hash(key, rest.substr(1, quote - 1)));
          at += quote + 1;
        } else if (rest.starts_with("--")) {
          at += std::min(rest.find_first_of("\n\r"), rest.size());
        } else if (rest.starts_with("/*")) {
          const std::size_t close = rest.find("*/", 2);
          if (close == Bytes::npos || rest.find("/*", 2) < close) return 0;
          at += close + 2;
        } else if (c == '.' && rest.size() > 1 && class_of(rest[1]) == digit) {
          return 0;
        } else {
          other(0x100u + static_cast<unsigned char>(c));
          sign = c == '-' || c == '+';
          ++at;
        }
        break;
      }
    }
  }
  if (comma) hash = mix(hash, ',');
  return hash;
}

}  // namespace

std::uint64_t StatementClasses::of(Bytes sql) {
  const std::uint64_t hash = sketch(key_, sql);
  if (hash == 0) {
    ++read_;
    return statement_class(sql);
  }
  if (known_.empty()) known_.resize(slots);
  std::size_t slot = hash % slots;
  while (known_[slot].sketch != 0 && known_[slot].sketch != hash) slot = (slot + 1) % slots;
  if (known_[slot].sketch == 0) {
    if (++used_ > slots / 2) {
      std::fill(known_.begin(), known_.end(), Known{});
      used_ = 1;
      slot = hash % slots;
    }
    ++read_;
    known_[slot] = {hash, statement_class(sql)};
  }
  return known_[slot].statement;
}

}  // namespace pgweir
