#include "proxy/session/query_batches.h"

#include <utility>

#include "pool/measuring.h"
#include "protocol/fingerprint.h"

namespace pgweir {

namespace {

// A batch that runs more different statements than that is told apart by its beginning.
constexpr int most_parts = 8;

}  // namespace

void QueryBatches::runs(std::uint64_t statement, Bytes sql, bool open, QueryClasses& classes) {
  if constexpr (!measuring) return;
  Batch& batch = open && !batches_.empty() ? batches_.back() : next_;
  const std::uint64_t id = batch_class(batch.id, statement);
  if (statement == 0 || id == batch.id || batch.parts == most_parts) return;
  ++batch.parts;
  if (!classes.knows(id)) {
    std::string text = classes.text_of(batch.id);
    if (!text.empty()) text += "; ";
    if (text.size() < QueryClasses::longest_text)
      text += class_text(sql, QueryClasses::longest_text - text.size());
    classes.add(id, std::move(text));
  }
  batch.id = id;
}

void QueryBatches::begun() { batches_.push_back(std::exchange(next_, {})); }

std::uint64_t QueryBatches::finished() {
  if (done_ == batches_.size()) return 0;
  const std::uint64_t id = batches_[done_++].id;
  if (done_ == batches_.size()) {
    batches_.clear();
    done_ = 0;
  }
  return id;
}

void QueryBatches::clear() {
  batches_.clear();
  done_ = 0;
  next_ = {};
}

}  // namespace pgweir
