#pragma once
// Rules that say who may log in from where and how: PostgreSQL's pg_hba.conf, as far as PgBouncer knows it.
// Pure; any thread. What cannot be kept exactly (+group, @file, host names, samenet, maps, methods that
// pgweir has not) is an error and never left out: a rule that is missing could let in whom the file refuses.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "protocol/bytes.h"

namespace pgweir {

enum class HbaMethod : std::uint8_t { trust, reject, md5, scram_sha_256 };
enum class HbaOver : std::uint8_t { local, host, hostssl, hostnossl };

// An IPv4 address has 4 bytes, an IPv6 address 16, in network order.
using AddressBytes = std::vector<std::uint8_t>;

struct HbaNames {
  bool all = false, same_user = false, replication = false;
  std::vector<std::string> names;
  friend bool operator==(const HbaNames&, const HbaNames&) = default;
};

struct HbaRule {
  HbaOver over{};
  HbaNames databases, users;
  bool any_address = false;
  AddressBytes address, mask;  // of the same size; unless local or any_address
  HbaMethod method{};
  int line = 0;
  friend bool operator==(const HbaRule&, const HbaRule&) = default;
};

struct HbaProblem {
  int line = 0;
  std::string text;
};

// All problems, or the rules in their order.
tl::expected<std::vector<HbaRule>, std::vector<HbaProblem>> parse_hba(Bytes text);

struct HbaClient {
  std::string address;  // "10.0.0.5", "::1"; "unix": on the Unix socket
  bool encrypted = false;
  bool physical_replication = false;
  bool console = false;  // then both names of the console are meant by either
  std::string database, user;
};

// The first rule that fits; null: none does.
const HbaRule* find_hba_rule(const std::vector<HbaRule>& rules, const HbaClient& client);

}  // namespace pgweir
