#pragma once
// A change of a pool's size that the console or the autopilot asks for. A value; the control thread carries
// it out.

#include <string>

#include "pool/route.h"
#include "pool/state.h"

namespace pgweir {

struct SizeChange {
  AdviceEntry::Kind kind = AdviceEntry::Kind::set;  // or reset: the file's size counts again
  Route route;
  int from = 0, to = 0;
  std::string why;  // in words; goes into the history
  bool by_autopilot = false;
};

}  // namespace pgweir
