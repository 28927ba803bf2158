#include "admin/hba.h"

#include <algorithm>

#include "admin/text_lines.h"

namespace pgweir {
namespace {

constexpr Bytes blanks = " \t\r\n\f\v";
constexpr std::size_t most_rules = 10'000;

struct Word {
  std::string text;
  bool quoted = false;  // then it is a name, whatever it says
};
// A field is a list of words between commas.
using Field = std::vector<Word>;

// Fields are parted by blanks; a comma joins words to a list, with blanks behind it or without, and # begins
// a comment, but not in quotes. Nothing when a quote is not closed.
std::optional<std::vector<Field>> split_line(Bytes line) {
  std::vector<Field> fields;
  bool joined = false;
  while (!line.empty()) {
    if (blanks.find(line[0]) != Bytes::npos) {
      line.remove_prefix(1);
      continue;
    }
    if (line[0] == '#') break;
    if (line[0] == ',') {
      joined = true;
      line.remove_prefix(1);
      continue;
    }
    Word word;
    while (!line.empty() && line[0] != ',' && line[0] != '#' && blanks.find(line[0]) == Bytes::npos) {
      if (line[0] != '"') {
        word.text += line[0];
        line.remove_prefix(1);
        continue;
      }
      const auto end = line.find('"', 1);
      if (end == Bytes::npos) return std::nullopt;
      word.quoted = true;
      word.text += line.substr(1, end - 1);
      line.remove_prefix(end + 1);
    }
    if (joined && !fields.empty()) {
      fields.back().push_back(std::move(word));
    } else {
      fields.push_back({std::move(word)});
    }
    joined = false;
  }
  return fields;
}

// A number up to `most` from the front of `text`. Nothing when there is none, or a digit too many.
std::optional<unsigned> take_number(Bytes& text, unsigned base, std::size_t most_digits, unsigned most) {
  constexpr Bytes digits = "0123456789abcdef";
  unsigned number = 0;
  std::size_t count = 0;
  for (; !text.empty(); text.remove_prefix(1), ++count) {
    const char c = text[0] >= 'A' && text[0] <= 'F' ? static_cast<char>(text[0] - 'A' + 'a') : text[0];
    const auto digit = digits.find(c);
    if (digit >= base) break;
    if (count == most_digits) return std::nullopt;
    number = number * base + static_cast<unsigned>(digit);
  }
  if (count == 0 || number > most) return std::nullopt;
  return number;
}

std::optional<AddressBytes> parse_v4(Bytes text) {
  AddressBytes bytes;
  while (true) {
    const auto number = take_number(text, 10, 3, 255);
    if (!number) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(*number));
    if (bytes.size() == 4) break;
    if (!text.starts_with('.')) return std::nullopt;
    text.remove_prefix(1);
  }
  return text.empty() ? std::optional(bytes) : std::nullopt;
}

// Groups of hexadecimal digits between colons, with one "::" for a run of zeros, and perhaps an IPv4 address
// at the end (RFC 4291, 2.2).
std::optional<AddressBytes> parse_v6(Bytes text) {
  AddressBytes bytes;
  std::optional<std::size_t> gap;
  if (text.starts_with("::")) {
    gap = 0;
    text.remove_prefix(2);
  }
  while (!text.empty()) {
    if (bytes.size() >= 16) return std::nullopt;
    if (text.find('.') != Bytes::npos && text.find(':') == Bytes::npos) {
      const auto tail = parse_v4(text);
      if (!tail) return std::nullopt;
      bytes.insert(bytes.end(), tail->begin(), tail->end());
      break;
    }
    const auto group = take_number(text, 16, 4, 0xFFFF);
    if (!group) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(*group >> 8));
    bytes.push_back(static_cast<std::uint8_t>(*group & 0xFF));
    if (text.empty()) break;
    if (!text.starts_with(':')) return std::nullopt;
    text.remove_prefix(1);
    if (text.starts_with(':')) {
      if (gap) return std::nullopt;
      gap = bytes.size();
      text.remove_prefix(1);
    } else if (text.empty()) {
      return std::nullopt;
    }
  }
  if (bytes.size() > 16 || (bytes.size() == 16) == gap.has_value()) return std::nullopt;
  if (gap) bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(*gap), 16 - bytes.size(), 0);
  return bytes;
}

std::optional<AddressBytes> parse_address(Bytes text) {
  return text.find(':') == Bytes::npos ? parse_v4(text) : parse_v6(text);
}

std::optional<AddressBytes> mask_of(Bytes bits, std::size_t bytes) {
  if (bits.empty() || bits.size() > 3 || bits.find_first_not_of("0123456789") != Bytes::npos) return {};
  std::size_t number = 0;
  for (const char digit : bits) number = number * 10 + static_cast<std::size_t>(digit - '0');
  if (number > bytes * 8) return {};
  AddressBytes mask(bytes, 0);
  for (std::size_t i = 0; i < number; ++i)
    mask[i / 8] = static_cast<std::uint8_t>(mask[i / 8] | (0x80u >> (i % 8)));
  return mask;
}

using Problem = std::string;

tl::unexpected<Problem> wrong(std::string text) { return tl::unexpected<Problem>(std::move(text)); }

tl::expected<HbaNames, Problem> names_of(const Field& field, bool databases) {
  HbaNames names;
  for (const Word& word : field) {
    if (word.quoted) {
      names.names.push_back(word.text);
    } else if (word.text == "all") {
      names.all = true;
    } else if (databases && word.text == "sameuser") {
      names.same_user = true;
    } else if (databases && word.text == "replication") {
      names.replication = true;
    } else if (databases && (word.text == "samerole" || word.text == "samegroup")) {
      return wrong(word.text + " is not supported: pgweir does not know who is in which role");
    } else if (word.text.starts_with('+')) {
      return wrong("groups (+name) are not supported: name the users");
    } else if (word.text.starts_with('@')) {
      return wrong("names from other files (@file) are not supported: write them here");
    } else if (word.text.starts_with('/')) {
      return wrong("regular expressions (/...) are not supported: write the names");
    } else {
      names.names.push_back(word.text);
    }
  }
  return names;
}

std::optional<HbaOver> over_of(const std::string& word) {
  if (word == "local") return HbaOver::local;
  if (word == "host") return HbaOver::host;
  if (word == "hostssl") return HbaOver::hostssl;
  if (word == "hostnossl") return HbaOver::hostnossl;
  return std::nullopt;
}

tl::expected<HbaMethod, Problem> method_of(const std::string& word) {
  if (word == "trust") return HbaMethod::trust;
  if (word == "reject") return HbaMethod::reject;
  if (word == "md5") return HbaMethod::md5;
  if (word == "scram-sha-256") return HbaMethod::scram_sha_256;
  return wrong("method \"" + word + "\": allowed is trust, reject, md5 or scram-sha-256");
}

// The address and its mask; `used`: how many fields that takes.
tl::expected<std::size_t, Problem> read_address(const std::vector<Field>& fields, HbaRule& rule) {
  const std::string& text = fields[3].front().text;
  if (fields[3].size() != 1) return wrong("one address is allowed, not a list");
  if (text == "all") {
    rule.any_address = true;
    return 1u;
  }
  if (text == "samehost" || text == "samenet")
    return wrong(text + " is not supported: write the address and its mask");
  const auto slash = text.find('/');
  const auto address = parse_address(Bytes(text).substr(0, slash));
  if (!address) return wrong("an address is wanted, as 10.0.0.0/8 or all; names are not supported");
  std::size_t used = 1;
  std::optional<AddressBytes> mask;
  if (slash != std::string::npos) {
    mask = mask_of(Bytes(text).substr(slash + 1), address->size());
  } else if (fields.size() > 4) {
    mask = parse_address(fields[4].front().text);
    used = 2;
  }
  if (!mask || mask->size() != address->size()) return wrong("the address has no mask that fits it");
  rule.address = *address;
  rule.mask = *mask;
  return used;
}

tl::expected<HbaRule, Problem> read_rule(const std::vector<Field>& fields) {
  HbaRule rule;
  const auto over = over_of(fields[0].front().text);
  if (!over || fields[0].size() != 1) return wrong("a line begins with local, host, hostssl or hostnossl");
  rule.over = *over;
  const std::size_t least = rule.over == HbaOver::local ? 4 : 5;
  if (fields.size() < least) {
    return wrong(rule.over == HbaOver::local ? "wanted is: local DATABASE USER METHOD"
                                             : "wanted is: host DATABASE USER ADDRESS METHOD");
  }
  auto databases = names_of(fields[1], true), users = names_of(fields[2], false);
  if (!databases) return wrong(databases.error());
  if (!users) return wrong(users.error());
  rule.databases = std::move(*databases);
  rule.users = std::move(*users);
  std::size_t next = 3;
  if (rule.over != HbaOver::local) {
    const auto used = read_address(fields, rule);
    if (!used) return wrong(used.error());
    next += *used;
  }
  if (next >= fields.size()) return wrong("there is no method");
  const auto method = method_of(fields[next].front().text);
  if (!method) return wrong(method.error());
  rule.method = *method;
  if (next + 1 != fields.size() || fields[next].size() != 1)
    return wrong("options behind the method (map=, clientcert=) are not supported");
  return rule;
}

bool is_console_name(const std::string& name) { return name == "pgbouncer" || name == "pgweir"; }

bool fits_database(const HbaNames& names, const HbaClient& client) {
  // As in PostgreSQL: all means all databases, and physical replication has none.
  if (client.physical_replication) return names.replication;
  if (names.all || (names.same_user && client.database == client.user)) return true;
  return std::any_of(names.names.begin(), names.names.end(), [&](const std::string& name) {
    return name == client.database || (client.console && is_console_name(name));
  });
}

bool fits_user(const HbaNames& names, const HbaClient& client) {
  return names.all || std::find(names.names.begin(), names.names.end(), client.user) != names.names.end();
}

bool fits_over(HbaOver over, const HbaClient& client) {
  const bool local = client.address == "unix";
  switch (over) {
    case HbaOver::local:
      return local;
    case HbaOver::host:
      return !local;
    case HbaOver::hostssl:
      return !local && client.encrypted;
    case HbaOver::hostnossl:
      return !local && !client.encrypted;
  }
  return false;
}

bool fits_address(const HbaRule& rule, const std::optional<AddressBytes>& address) {
  if (rule.over == HbaOver::local || rule.any_address) return true;
  if (!address || address->size() != rule.address.size()) return false;
  for (std::size_t i = 0; i < rule.mask.size(); ++i) {
    if (((*address)[i] ^ rule.address[i]) & rule.mask[i]) return false;
  }
  return true;
}

}  // namespace

tl::expected<std::vector<HbaRule>, std::vector<HbaProblem>> parse_hba(Bytes text) {
  std::vector<HbaRule> rules;
  std::vector<HbaProblem> problems;
  for (int number = 1; !text.empty(); ++number) {
    const auto fields = split_line(take_line(text));
    if (fields && fields->empty()) continue;
    auto rule = !fields ? tl::expected<HbaRule, Problem>(wrong("a quote is not closed")) : read_rule(*fields);
    if (rule && rules.size() == most_rules)
      rule = wrong("allowed are " + std::to_string(most_rules) + " rules");
    if (!rule) {
      problems.push_back({number, std::move(rule.error())});
      continue;
    }
    rule->line = number;
    rules.push_back(std::move(*rule));
  }
  if (!problems.empty()) return tl::unexpected(std::move(problems));
  return rules;
}

const HbaRule* find_hba_rule(const std::vector<HbaRule>& rules, const HbaClient& client) {
  // A link-local address may have its interface behind it.
  const auto address = parse_address(Bytes(client.address).substr(0, client.address.find('%')));
  for (const HbaRule& rule : rules) {
    if (fits_over(rule.over, client) && fits_database(rule.databases, client) &&
        fits_user(rule.users, client) && fits_address(rule, address))
      return &rule;
  }
  return nullptr;
}

}  // namespace pgweir
