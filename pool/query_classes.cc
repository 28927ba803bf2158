#include "pool/query_classes.h"

#include <algorithm>
#include <utility>

#include "pool/measuring.h"

namespace pgweir {

namespace {

bool took_more(const QueryClass& a, const QueryClass& b) {
  return a.use.time != b.use.time ? a.use.time > b.use.time : a.id < b.id;
}

// The first of them by time, and `others` behind them with all that is left.
std::vector<QueryClass> first_of(std::vector<QueryClass> classes, QueryUse others, std::size_t most) {
  std::sort(classes.begin(), classes.end(), took_more);
  for (std::size_t i = most; i < classes.size(); ++i) others.add(classes[i].use);
  if (classes.size() > most) classes.resize(most);
  if (others.calls > 0) classes.push_back({.id = 0, .text = {}, .use = others});
  return classes;
}

}  // namespace

void QueryUse::record(Duration query, Duration its_wait) {
  ++calls;
  time += query;
  longest = std::max(longest, query);
  if (its_wait < std::chrono::microseconds(1)) return;
  ++waited;
  wait += its_wait;
}

void QueryUse::add(const QueryUse& other) {
  calls += other.calls;
  waited += other.waited;
  time += other.time;
  longest = std::max(longest, other.longest);
  wait += other.wait;
}

void QueryClasses::add(std::uint64_t id, std::string text) {
  if (id == 0) return;
  if (classes_.size() >= most_classes) make_room();
  classes_.try_emplace(id, Entry{std::move(text), {}});
}

const std::string& QueryClasses::text_of(std::uint64_t id) const {
  static const std::string none;
  const auto found = classes_.find(id);
  return found == classes_.end() ? none : found->second.text;
}

void QueryClasses::record(std::uint64_t id, Duration query, Duration wait) {
  if constexpr (!measuring) return;
  const auto found = id == 0 ? classes_.end() : classes_.find(id);
  (found == classes_.end() ? others_ : found->second.use).record(query, wait);
}

// Half of them, so that it is rare.
void QueryClasses::make_room() {
  std::vector<Duration> times;
  times.reserve(classes_.size());
  for (const auto& [id, entry] : classes_) times.push_back(entry.use.time);
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  const Duration limit = *middle;
  std::size_t room = times.size() / 2;
  std::erase_if(classes_, [&](const auto& it) {
    if (it.second.use.time > limit || room == 0) return false;
    --room;
    others_.add(it.second.use);
    return true;
  });
}

std::vector<QueryClass> QueryClasses::top(std::size_t most) const {
  std::vector<QueryClass> classes;
  classes.reserve(classes_.size());
  for (const auto& [id, entry] : classes_) {
    if (entry.use.calls > 0) classes.push_back({.id = id, .text = entry.text, .use = entry.use});
  }
  return first_of(std::move(classes), others_, most);
}

std::vector<QueryClass> merge_classes(std::vector<QueryClass> one, const std::vector<QueryClass>& other,
                                      std::size_t most) {
  std::unordered_map<std::uint64_t, std::size_t> places;
  for (std::size_t i = 0; i < one.size(); ++i) places.emplace(one[i].id, i);
  for (const QueryClass& it : other) {
    const auto [place, fresh] = places.emplace(it.id, one.size());
    if (fresh) {
      one.push_back(it);
    } else {
      one[place->second].use.add(it.use);
    }
  }
  QueryUse others;
  std::erase_if(one, [&](const QueryClass& it) {
    if (it.id == 0) others.add(it.use);
    return it.id == 0;
  });
  return first_of(std::move(one), others, most);
}

}  // namespace pgweir
