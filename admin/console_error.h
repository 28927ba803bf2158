#pragma once
// What a console command answers when it cannot be done.

#include <string>

#include "protocol/bytes.h"
#include "protocol/sqlstate.h"

namespace pgweir {

struct ConsoleError {
  Bytes sqlstate = sqlstate::syntax_error;  // refers to a constant
  std::string message;
  std::string detail{};
  std::string hint{};
};

}  // namespace pgweir
