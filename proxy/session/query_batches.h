#pragma once
// Which class of query (protocol/fingerprint.h) each ReadyForQuery that is to come will end, on one server.
// Allocates only while more queries are in flight than ever before.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pool/query_classes.h"
#include "protocol/bytes.h"

namespace pgweir {

class QueryBatches {
 public:
  // A statement of this class and text is about to be sent: as part of the query that was begun last when
  // that is `open`, else of the one that begins with it.
  void runs(std::uint64_t statement, Bytes sql, bool open, QueryClasses& classes);
  // A query begins.
  void begun();
  // The oldest has ended: its class, 0 when it ran nothing whose text is known.
  std::uint64_t finished();
  // The client is gone, or the server.
  void clear();

 private:
  struct Batch {
    std::uint64_t id = 0;
    int parts = 0;
  };

  std::vector<Batch> batches_;  // begun, the oldest at done_
  std::size_t done_ = 0;
  Batch next_;
};

}  // namespace pgweir
