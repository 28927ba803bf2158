#pragma once
// What a console command answers when it cannot be done.

#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "protocol/bytes.h"
#include "protocol/sqlstate.h"

namespace pgweir {

struct ConsoleError {
  Bytes sqlstate = sqlstate::syntax_error;  // refers to a constant
  std::string message;
  std::string detail{};
  std::string hint{};
};

inline tl::unexpected<ConsoleError> failed(Bytes sqlstate, std::string message, std::string hint = {}) {
  return tl::unexpected(ConsoleError{sqlstate, std::move(message), {}, std::move(hint)});
}

}  // namespace pgweir
