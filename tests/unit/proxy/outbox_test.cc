#include "proxy/session/outbox.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "tests/sim/seeded_random.h"

using namespace pgweir;

namespace {

// As a read from the network does it.
Bytes read_in(TurnArena& arena, Bytes bytes) {
  const auto space = arena.read_space();
  REQUIRE(space.size() >= bytes.size());
  std::memcpy(space.data(), bytes.data(), bytes.size());
  return arena.commit(bytes.size());
}

// All that waits to be written, oldest first.
std::string content(const Outbox& out) {
  std::string bytes;
  for (const Chunk* chunk = out.kept().head(); chunk != nullptr; chunk = chunk->next)
    bytes.append(chunk->data + chunk->begin, chunk->end - chunk->begin);
  for (const Slice* slice = out.fresh(); slice != nullptr; slice = slice->next)
    bytes.append(slice->data, slice->size);
  return bytes;
}

std::size_t slices(const Outbox& out) {
  std::size_t count = 0;
  for (const Slice* slice = out.fresh(); slice != nullptr; slice = slice->next) ++count;
  return count;
}

std::string pattern(std::size_t size, std::size_t offset = 0) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>('a' + (i + offset) % 23);
  return bytes;
}

}  // namespace

TEST_CASE("chunk chain: bytes come out as they went in, whatever the sizes") {
  ChunkPool pool;
  ChunkChain chain;
  CHECK(chain.empty());
  CHECK(chain.front().empty());
  std::string model;
  sim::SeededRandom random(5);
  for (int i = 0; i < 2000; ++i) {
    if (random.chance(500)) {
      const std::string more = pattern(random.below(3 * Chunk::capacity), model.size());
      chain.append(pool, more);
      model += more;
    } else {
      const std::size_t gone = random.below(model.size() + 1);
      chain.consume(pool, gone);
      model.erase(0, gone);
    }
    REQUIRE(chain.size() == model.size());
    REQUIRE(chain.empty() == model.empty());
    REQUIRE(model.starts_with(chain.front()));
    REQUIRE(chain.front().empty() == model.empty());
  }
  chain.clear(pool);
  CHECK(chain.empty());
  CHECK(chain.head() == nullptr);
  CHECK(pool.in_use() == 0);
}

TEST_CASE("chunk pool: chunks are used again, and come clean") {
  ChunkPool pool;
  Chunk* const first = pool.take();
  first->begin = first->end = 7;
  pool.give(first);
  Chunk* const second = pool.take();
  CHECK(second == first);
  CHECK(second->begin == 0);
  CHECK(second->end == 0);
  CHECK(second->next == nullptr);
  CHECK(pool.in_use() == 1);
  pool.give(second);

  std::vector<Chunk*> many;
  for (std::size_t i = 0; i < ChunkPool::spare_limit + 10; ++i) many.push_back(pool.take());
  for (Chunk* const chunk : many) pool.give(chunk);
  CHECK(pool.in_use() == 0);
}

TEST_CASE("turn arena: what was read and copied stays where it is for the turn") {
  TurnArena arena;
  std::vector<std::pair<Bytes, std::string>> all;
  sim::SeededRandom random(6);
  std::size_t used = 0;
  for (int i = 0; i < 300; ++i) {
    const std::string bytes = pattern(random.below(random.chance(30) ? 3 * TurnArena::slab_size : 3000),
                                      static_cast<std::size_t>(i));
    if (bytes.size() <= TurnArena::least_read && random.chance(500)) {
      all.emplace_back(read_in(arena, bytes), bytes);
    } else {
      all.emplace_back(arena.copy(bytes), bytes);
    }
    used += bytes.size();
  }
  CHECK(arena.used() == used);
  for (const auto& [view, bytes] : all) REQUIRE(view == bytes);
  arena.reset();
  CHECK(arena.used() == 0);
  CHECK(arena.read_space().size() == TurnArena::slab_size);
}

TEST_CASE("turn arena: there is always room for a read") {
  TurnArena arena;
  for (int i = 0; i < 100; ++i) {
    const auto space = arena.read_space();
    REQUIRE(space.size() >= TurnArena::least_read);
    arena.commit(std::min<std::size_t>(space.size(), 5000));
  }
  // A read of nothing takes nothing.
  const char* const before = arena.read_space().data();
  CHECK(arena.commit(0).empty());
  CHECK(arena.read_space().data() == before);
}

TEST_CASE("turn arena: copies of nothing, and of a chain") {
  TurnArena arena;
  CHECK(arena.copy(Bytes{}).empty());
  ChunkPool pool;
  ChunkChain chain;
  CHECK(arena.copy(chain).empty());
  const std::string bytes = pattern(3 * Chunk::capacity);
  chain.append(pool, bytes);
  chain.consume(pool, 100);
  CHECK(arena.copy(chain) == bytes.substr(100));
  chain.clear(pool);
}

TEST_CASE("outbox: slices come in order and are not copied") {
  TurnArena arena;
  ChunkPool pool;
  Outbox out;
  CHECK(out.empty());
  const std::string one = "one", two = "two";
  out.append(arena, one);
  out.append(arena, two);
  out.append(arena, {});
  CHECK(out.size() == 6);
  CHECK(content(out) == "onetwo");
  REQUIRE(out.fresh() != nullptr);
  CHECK(out.fresh()->data == one.data());
  CHECK(arena.used() == 0);
  CHECK(pool.in_use() == 0);
}

TEST_CASE("outbox: neighbours in memory become one slice") {
  TurnArena arena;
  Outbox out;
  const std::string bytes = pattern(100);
  out.append(arena, Bytes(bytes).substr(0, 10));
  out.append(arena, Bytes(bytes).substr(10, 50));
  CHECK(slices(out) == 1);
  out.append(arena, Bytes(bytes).substr(70));  // not a neighbour
  CHECK(slices(out) == 2);
  CHECK(content(out) == bytes.substr(0, 60) + bytes.substr(70));
}

TEST_CASE("outbox: append_copy does not need the bytes any more") {
  TurnArena arena;
  Outbox out;
  std::string bytes = "made here";
  out.append_copy(arena, bytes);
  bytes.assign(bytes.size(), 'x');
  CHECK(content(out) == "made here");
  out.append_copy(arena, {});
  CHECK(out.size() == 9);
}

TEST_CASE("outbox: what was written is forgotten, across slices and chunks") {
  TurnArena arena;
  ChunkPool pool;
  Outbox out;
  const std::string old = pattern(10'000), one = "one", two = "two";
  out.append(arena, old);
  out.keep(pool);
  out.append(arena, one);
  out.append(arena, two);
  std::string model = old + one + two;
  for (const std::size_t part : {std::size_t{0}, std::size_t{1}, Chunk::capacity, std::size_t{5900},
                                 std::size_t{20}, std::size_t{1}}) {
    out.consume(pool, part);
    model.erase(0, part);
    REQUIRE(content(out) == model);
    REQUIRE(out.size() == model.size());
  }
  out.consume(pool, out.size());
  CHECK(out.empty());
  CHECK(out.fresh() == nullptr);
  CHECK(pool.in_use() == 0);
  out.append(arena, one);
  CHECK(content(out) == "one");
}

TEST_CASE("outbox: what is kept outlives the turn") {
  TurnArena arena;
  ChunkPool pool;
  Outbox out;
  std::string model;
  for (int turn = 0; turn < 50; ++turn) {
    const std::string bytes = pattern(3000, static_cast<std::size_t>(turn));
    out.append(arena, read_in(arena, bytes));
    out.append_copy(arena, "made");
    model += bytes + "made";
    const std::size_t written = std::min<std::size_t>(model.size(), 1700);
    out.consume(pool, written);
    model.erase(0, written);
    out.keep(pool);
    CHECK(out.fresh() == nullptr);
    arena.reset();
    read_in(arena, std::string(16'000, '!'));  // what was there is overwritten
    arena.reset();
    REQUIRE(content(out) == model);
  }
  out.clear(pool);
  CHECK(out.empty());
  CHECK(pool.in_use() == 0);
}

TEST_CASE("outbox: clear forgets kept and fresh") {
  TurnArena arena;
  ChunkPool pool;
  Outbox out;
  out.append(arena, "kept");
  out.keep(pool);
  out.append(arena, "fresh");
  CHECK(pool.in_use() == 1);
  out.clear(pool);
  CHECK(out.empty());
  CHECK(content(out).empty());
  CHECK(pool.in_use() == 0);
}

TEST_CASE("outbox: the watermarks") {
  TurnArena arena;
  ChunkPool pool;
  Outbox out;
  CHECK(out.below_low());
  CHECK_FALSE(out.above_high());
  const std::string bytes(Outbox::high_watermark, 'x');
  out.append(arena, bytes);
  CHECK_FALSE(out.above_high());
  CHECK_FALSE(out.below_low());
  out.append(arena, "x");
  CHECK(out.above_high());
  out.keep(pool);
  CHECK(out.above_high());
  out.consume(pool, Outbox::high_watermark / 2);
  CHECK_FALSE(out.above_high());
  CHECK_FALSE(out.below_low());
  out.consume(pool, 1);
  CHECK(out.below_low());
  out.clear(pool);
}

TEST_CASE("outbox: many small slices, and a turn after a burst") {
  TurnArena arena;
  ChunkPool pool;
  Outbox out;
  const std::string bytes = pattern(40'000);
  for (int turn = 0; turn < 2; ++turn) {
    std::string model;
    // Every second byte, so that no two are neighbours: more slices than a block of them has.
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
      out.append(arena, Bytes(bytes).substr(i, 1));
      model += bytes[i];
    }
    CHECK(slices(out) == model.size());
    CHECK(content(out) == model);
    out.consume(pool, model.size());
    arena.reset();
  }
}
