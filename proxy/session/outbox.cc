#include "proxy/session/outbox.h"

#include <algorithm>
#include <cstring>

namespace pgweir {

ChunkPool::~ChunkPool() {
  while (spare_ != nullptr) {
    Chunk* const next = spare_->next;
    delete spare_;
    spare_ = next;
  }
}

Chunk* ChunkPool::take() {
  ++in_use_;
  if (spare_ == nullptr) return new Chunk;
  Chunk* const chunk = spare_;
  spare_ = chunk->next;
  --spares_;
  chunk->next = nullptr;
  chunk->begin = chunk->end = 0;
  return chunk;
}

void ChunkPool::give(Chunk* chunk) {
  --in_use_;
  if (spares_ >= spare_limit) {
    delete chunk;
    return;
  }
  chunk->next = spare_;
  spare_ = chunk;
  ++spares_;
}

void ChunkChain::append(ChunkPool& pool, Bytes bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (tail_ == nullptr || tail_->end == Chunk::capacity) {
      Chunk* const fresh = pool.take();
      (tail_ == nullptr ? head_ : tail_->next) = fresh;
      tail_ = fresh;
    }
    const std::size_t part = std::min(bytes.size(), Chunk::capacity - tail_->end);
    std::memcpy(tail_->data + tail_->end, bytes.data(), part);
    tail_->end += static_cast<std::uint32_t>(part);
    bytes.remove_prefix(part);
  }
}

void ChunkChain::consume(ChunkPool& pool, std::size_t size) {
  size_ -= size;
  while (size > 0) {
    const std::size_t part = std::min<std::size_t>(size, head_->end - head_->begin);
    head_->begin += static_cast<std::uint32_t>(part);
    size -= part;
    if (head_->begin == head_->end) {
      Chunk* const empty = head_;
      head_ = empty->next;
      if (head_ == nullptr) tail_ = nullptr;
      pool.give(empty);
    }
  }
}

char* TurnArena::space(std::size_t size) {
  if (slab_ == slabs_.size() || slab_size - slab_used_ < size) {
    if (slab_ < slabs_.size()) ++slab_;
    if (slab_ == slabs_.size()) slabs_.push_back(std::make_unique_for_overwrite<char[]>(slab_size));
    slab_used_ = 0;
  }
  return slabs_[slab_].get() + slab_used_;
}

std::span<char> TurnArena::read_space(std::size_t least) {
  char* const begin = space(least);
  return {begin, slab_size - slab_used_};
}

Bytes TurnArena::commit(std::size_t size) {
  const Bytes read(slabs_[slab_].get() + slab_used_, size);
  slab_used_ += size;
  used_ += size;
  return read;
}

char* TurnArena::allot(std::size_t size) {
  used_ += size;
  if (size > slab_size) {
    large_.push_back(std::make_unique_for_overwrite<char[]>(size));
    return large_.back().get();
  }
  char* const place = space(size);
  slab_used_ += size;
  return place;
}

Bytes TurnArena::copy(Bytes bytes) {
  if (bytes.empty()) return {};
  char* const place = allot(bytes.size());
  std::memcpy(place, bytes.data(), bytes.size());
  return {place, bytes.size()};
}

Bytes TurnArena::copy(const ChunkChain& chain) {
  char* const place = allot(chain.size());
  char* end = place;
  for (const Chunk* chunk = chain.head(); chunk != nullptr; chunk = chunk->next) {
    const std::size_t size = chunk->end - chunk->begin;
    std::memcpy(end, chunk->data + chunk->begin, size);
    end += size;
  }
  return {place, chain.size()};
}

Slice* TurnArena::slice(Bytes bytes) {
  static constexpr std::size_t block_size = 512;
  if (slice_block_ == slices_.size() || slice_used_ == block_size) {
    if (slice_block_ < slices_.size()) ++slice_block_;
    if (slice_block_ == slices_.size()) slices_.push_back(std::make_unique<Slice[]>(block_size));
    slice_used_ = 0;
  }
  Slice* const slice = &slices_[slice_block_][slice_used_++];
  *slice = {bytes.data(), bytes.size(), nullptr};
  return slice;
}

void TurnArena::reset() {
  // A burst must not keep its memory for ever.
  static constexpr std::size_t spare_slabs = 16;
  if (slabs_.size() > spare_slabs) slabs_.resize(spare_slabs);
  if (slices_.size() > spare_slabs) slices_.resize(spare_slabs);
  large_.clear();
  slab_ = slab_used_ = slice_block_ = slice_used_ = used_ = 0;
}

void Outbox::append(TurnArena& arena, Bytes bytes) {
  if (bytes.empty()) return;
  fresh_size_ += bytes.size();
  if (tail_ != nullptr && tail_->data + tail_->size == bytes.data()) {
    tail_->size += bytes.size();
    return;
  }
  Slice* const slice = arena.slice(bytes);
  (tail_ == nullptr ? head_ : tail_->next) = slice;
  tail_ = slice;
}

void Outbox::consume(ChunkPool& pool, std::size_t size) {
  const std::size_t old = std::min(size, kept_.size());
  kept_.consume(pool, old);
  size -= old;
  fresh_size_ -= size;
  while (size > 0) {
    const std::size_t part = std::min(size, head_->size);
    head_->data += part;
    head_->size -= part;
    size -= part;
    if (head_->size == 0) head_ = head_->next;
  }
  if (head_ == nullptr) tail_ = nullptr;
}

void Outbox::keep(ChunkPool& pool) {
  for (; head_ != nullptr; head_ = head_->next) kept_.append(pool, {head_->data, head_->size});
  tail_ = nullptr;
  fresh_size_ = 0;
}

void Outbox::clear(ChunkPool& pool) {
  kept_.clear(pool);
  head_ = tail_ = nullptr;
  fresh_size_ = 0;
}

}  // namespace pgweir
