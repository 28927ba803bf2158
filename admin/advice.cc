#include "admin/advice.h"

namespace pgweir {

const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::collecting:
      return "collecting";
    case Verdict::keep:
      return "keep";
    case Verdict::grow:
      return "grow";
    case Verdict::shrink:
      return "shrink";
    case Verdict::step:
      return "step";
    case Verdict::probe:
      return "probe";
  }
  return "?";
}

const char* to_string(DecidedBy decided_by) {
  switch (decided_by) {
    case DecidedBy::none:
      return "-";
    case DecidedBy::pool:
      return "pool";
    case DecidedBy::server:
      return "server";
    case DecidedBy::locks:
      return "locks";
    case DecidedBy::idle_in_transaction:
      return "idle in transaction";
    case DecidedBy::clients:
      return "clients";
    case DecidedBy::limit:
      return "limit";
    case DecidedBy::incident:
      return "incident";
  }
  return "?";
}

const char* to_string(Confidence confidence) {
  switch (confidence) {
    case Confidence::none:
      return "-";
    case Confidence::low:
      return "low";
    case Confidence::medium:
      return "medium";
    case Confidence::high:
      return "high";
  }
  return "?";
}

}  // namespace pgweir
