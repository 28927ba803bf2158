#pragma once
// Bytes on their way to a peer, without copying them on the way.
//
// A `TurnArena` is the worker's memory of one loop turn: the bytes that were read in the turn and the
// messages that were made in it. An `Outbox` is a list of slices of that arena. At the end of the turn the
// worker writes every dirty Outbox with one gathered write; what a peer could not take is copied into chunks
// of the worker's `ChunkPool` (`keep`), and then the arena starts anew. So an idle connection owns no
// buffer, and bytes are copied only for a peer that is slow.
//
// One thread: arena, pool and outboxes belong to one worker.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "protocol/bytes.h"

namespace pgweir {

// A fixed piece of memory in a chain.
struct Chunk {
  static constexpr std::size_t capacity = 4096 - 16;

  Chunk* next = nullptr;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  char data[capacity];
};

// Chunks to be used again. Keeps at most `spare_limit` unused ones.
class ChunkPool {
 public:
  static constexpr std::size_t spare_limit = 256;

  ~ChunkPool();
  ChunkPool() = default;
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;

  Chunk* take();
  void give(Chunk* chunk);
  std::size_t in_use() const { return in_use_; }

 private:
  Chunk* spare_ = nullptr;
  std::size_t spares_ = 0;
  std::size_t in_use_ = 0;
};

// An owned queue of bytes, made of chunks. The owner hands in the pool and clears it before it dies.
class ChunkChain {
 public:
  ChunkChain() = default;
  ChunkChain(const ChunkChain&) = delete;
  ChunkChain& operator=(const ChunkChain&) = delete;

  void append(ChunkPool& pool, Bytes bytes);
  // Forgets the first `size` bytes.
  void consume(ChunkPool& pool, std::size_t size);
  void clear(ChunkPool& pool) { consume(pool, size_); }
  // The bytes of the first chunk; stay where they are until they are consumed.
  Bytes front() const {
    return head_ ? Bytes(head_->data + head_->begin, head_->end - head_->begin) : Bytes();
  }
  const Chunk* head() const { return head_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  Chunk* head_ = nullptr;
  Chunk* tail_ = nullptr;
  std::size_t size_ = 0;
};

struct Slice {
  const char* data;
  std::size_t size;
  Slice* next;
};

class TurnArena {
 public:
  static constexpr std::size_t slab_size = 64 * 1024;
  static constexpr std::size_t least_read = 16 * 1024;

  // Memory to read into: at least `least` bytes, of a slab's at most; what was read is taken with `commit`.
  std::span<char> read_space(std::size_t least = least_read);
  Bytes commit(std::size_t size);
  // A copy that lives until the end of the turn.
  Bytes copy(Bytes bytes);
  Bytes copy(const ChunkChain& chain);
  Slice* slice(Bytes bytes);
  // How much is in use; the worker flushes in the middle of a turn when this grows large.
  std::size_t used() const { return used_; }
  // Everything handed out so far is void.
  void reset();

 private:
  char* space(std::size_t size);
  char* allot(std::size_t size);

  std::vector<std::unique_ptr<char[]>> slabs_;
  std::vector<std::unique_ptr<char[]>> large_;  // copies larger than a slab
  std::vector<std::unique_ptr<Slice[]>> slices_;
  std::size_t slab_ = 0, slab_used_ = 0;
  std::size_t slice_block_ = 0, slice_used_ = 0;
  std::size_t used_ = 0;
};

class Outbox {
 public:
  // Above `high` bytes the side that feeds this outbox is to stop reading; below half of it, to go on.
  static constexpr std::size_t high_watermark = 256 * 1024;

  // `bytes` stay valid until the end of the turn (they are in the arena, or constant).
  void append(TurnArena& arena, Bytes bytes);
  void append_copy(TurnArena& arena, Bytes bytes) { append(arena, arena.copy(bytes)); }

  std::size_t size() const { return kept_.size() + fresh_size_; }
  bool empty() const { return size() == 0; }
  bool above_high() const { return size() > high_watermark; }
  bool below_low() const { return size() <= high_watermark / 2; }

  // For the writer: what is to be written, oldest first.
  const ChunkChain& kept() const { return kept_; }
  const Slice* fresh() const { return head_; }
  // `size` bytes, in that order, have been written.
  void consume(ChunkPool& pool, std::size_t size);
  // Copies what is left of this turn's slices, so that the arena can be reset.
  void keep(ChunkPool& pool);
  void clear(ChunkPool& pool);

 private:
  ChunkChain kept_;
  Slice* head_ = nullptr;
  Slice* tail_ = nullptr;
  std::size_t fresh_size_ = 0;
};

}  // namespace pgweir
