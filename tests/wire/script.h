#pragma once
// A wire script: what named connections send and what must come back, in one order. The format is described
// in tests/wire/README.md.

#include <filesystem>
#include <string>
#include <vector>

#include "tests/wire/term.h"

namespace pgweir {

struct Step {
  enum class Kind {
    connect,  // a connection that is logged in; terms are startup parameters
    tcp,      // a connection on which nothing has been sent
    send,
    expect,  // number 1: in any order with its neighbours of this kind
    expect_byte,
    skip,    // reads until a message matches
    close,   // without Terminate
    split,   // number: bytes of a piece from now on
    cancel,  // a CancelRequest with this connection's key; number 1: again until it has got an answer
  };
  Kind kind;
  int line = 0;
  std::string connection;
  Terms terms;
  std::size_t number = 0;
};

struct Script {
  std::string name;
  bool for_postgres = true;
  bool for_pgweir = true;
  int servers = 0;  // of the pool; 0: as many as pools have by default
  std::vector<Step> steps;
};

// Throws std::runtime_error with the line of what cannot be understood.
Script read_script(const std::filesystem::path& path);

}  // namespace pgweir
