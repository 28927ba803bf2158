#include "protocol/statement_shape.h"

#include <string>

#include "protocol/keyed_hash.h"
#include "protocol/reader.h"

namespace pgweir {

namespace {

// Who makes two descriptions collide misleads only itself: no secret is needed.
std::uint64_t digest(Bytes text) { return keyed_hash({}, text) | 1; }

}  // namespace

bool add_description(StatementShape& shape, char type, Bytes body) {
  if (type == 'n') {
    shape.row = digest("");
    return true;
  }
  if (type == 't') {
    shape.parameters = digest(body);
    return true;
  }
  Reader in(body);
  const std::uint16_t columns = in.u16();
  std::string text = "rows";
  for (std::uint16_t i = 0; i < columns && in.ok(); ++i) {
    const Bytes name = in.cstring();
    text.append(name).push_back('\0');
    in.bytes(6);           // table and column
    text += in.bytes(10);  // type, size, modifier
    in.bytes(2);           // format
  }
  if (type != 'T' || !in.done()) return false;
  shape.row = digest(text);
  return true;
}

}  // namespace pgweir
