#pragma once
// State as bytes: what stands in a state file and in an exported profile. Pure; any thread.
//
// A file is its header, then records: length of the payload (4 bytes, lowest first), CRC-32C of all of the
// record behind it (4), kind (1), payload. Numbers are varints, empty buckets and levels are left out, times
// are nanoseconds since 1970. A kind that is not known is skipped. The first record that is not whole, or
// whose checksum is wrong, ends the file: what stands behind it is not trusted.

#include <cstddef>
#include <string>
#include <string_view>

#include "pool/state.h"

namespace pgweir {

// Changes when older programs could not read what newer ones write.
inline constexpr unsigned char state_version = 1;
std::string state_header();

// At the end of `out`. What would be longer than a record may be (32 MiB) is left out: false.
bool append_record(std::string& out, const StateEntry& entry, Duration wall_offset);

struct StateRead {
  enum class Kind {
    ours,   // also when it is empty or ends within the header
    other,  // not a state of pgweir
    newer,  // of a version that is not known
  };
  Kind kind = Kind::ours;
  State state;
  std::size_t good = 0;     // bytes up to the end of the last whole record
  std::size_t records = 0;  // that were understood
  std::size_t skipped = 0;  // whole, but of an unknown kind or with impossible values
};
// Never fails, whatever the bytes.
StateRead read_state(std::string_view bytes, Duration wall_offset);

}  // namespace pgweir
