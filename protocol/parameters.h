#pragma once
// The parameters that a server reports by ParameterStatus, as one client or one server sees them now.
//
// Sets are interned: equal sets are one object, so that "does this server have what this client wants" is a
// comparison of two pointers, and thousands of clients with the same settings share one set. A catalog and
// its sets belong to one thread.

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "protocol/bytes.h"
#include "protocol/writer.h"

namespace pgweir {

class Parameters {
 public:
  using Value = std::pair<std::string, std::string>;

  Parameters() = default;
  explicit Parameters(const std::vector<Value>& values) {
    for (const auto& [name, value] : values) set(name, value);
  }

  // Names are compared without regard to case, as PostgreSQL does; the first spelling is kept.
  void set(Bytes name, Bytes value);
  const std::string* find(Bytes name) const;
  const std::vector<Value>& values() const { return values_; }

  friend bool operator<(const Parameters& a, const Parameters& b) { return a.values_ < b.values_; }
  friend bool operator==(const Parameters&, const Parameters&) = default;

 private:
  std::vector<Value> values_;  // sorted by name in lower case
};

using SharedParameters = std::shared_ptr<const Parameters>;

class ParameterCatalog {
 public:
  SharedParameters intern(Parameters parameters);
  SharedParameters with(const SharedParameters& base, Bytes name, Bytes value);

 private:
  struct Less {
    bool operator()(const SharedParameters& a, const SharedParameters& b) const { return *a < *b; }
  };
  std::set<SharedParameters, Less> sets_;
  std::size_t sweep_at_ = 64;
};

// Whether a session can change the parameter with SET; the others are facts about the server.
bool is_settable(Bytes name);

// Whether PostgreSQL reads the parameter when it parses a text, to make values of its constants.
bool matters_to_parser(Bytes name);

// What a server lacks to look as the client wants: names that it reports too, with the client's values.
std::vector<Parameters::Value> difference(const Parameters& wanted, const Parameters& present);

// The messages that make a server take these values, and their type letters in order, for the ledger.
// Plain values go as SET in one Query. A value that is not plain ASCII, or of a parameter whose SET would
// read it as a list, goes as a bound argument of set_config(): no quoting, at any length.
std::string set_messages(const std::vector<Parameters::Value>& values, std::string& types);

}  // namespace pgweir
