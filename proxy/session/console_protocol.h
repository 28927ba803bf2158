#pragma once
// The extended protocol on the console: prepared statements, portals, binary results. What is executed goes
// to the control thread as a simple query does; its answer is put into the form that was bound. Pure. One for
// each console client, made when it prepares something first.
//
// There are no transactions, so portals live until they are bound anew or closed. Statements and portals are
// bounded in number and size.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "admin/console_describe.h"
#include "admin/console_error.h"
#include "protocol/frontend.h"

namespace pgweir {

class ConsoleProtocol {
 public:
  static constexpr std::size_t most_statements = 256, most_portals = 64;
  static constexpr std::size_t most_text = std::size_t{1} << 20;  // of all statements

  // What is to be done about a message: bytes to send; or a query to be asked, whose answer goes to
  // `answered`. After an error everything up to the next Sync is to be left out.
  struct Step {
    std::string bytes{};
    std::optional<std::string> ask{};
    bool failed = false;
  };
  // Parse, Bind, Describe, Execute or Close.
  Step on_message(char type, Bytes body, const Settings& settings);
  // `answer` is what a simple query would have been answered with, ReadyForQuery included.
  Step answered(Bytes answer);
  // A simple query was sent, which drops what has no name.
  void simple_query();

 private:
  struct Prepared {
    std::string query;
    ConsoleShape shape;
  };
  struct Portal {
    std::string query;
    ConsoleShape shape;
    std::vector<std::uint16_t> formats;
    bool run = false, over = false;
    std::deque<std::string> rows;  // whole messages, not fetched yet
    std::string end;               // what comes behind them
    std::uint16_t format(std::size_t column) const;
  };

  Step parse(Bytes body, const Settings& settings);
  Step bind(Bytes body);
  Step describe(Bytes body) const;
  Step execute(Bytes body);
  Step close(Bytes body);
  Step fetch(Portal& portal, std::int32_t most);
  static std::string row_in_format(const Portal& portal, Bytes message);
  std::size_t text_size() const;

  std::map<std::string, Prepared, std::less<>> statements_;
  std::map<std::string, Portal, std::less<>> portals_;
  std::string executing_;  // the portal whose query is being asked
  std::int32_t most_rows_ = 0;
};

}  // namespace pgweir
