#include "protocol/ledger.h"

namespace pgweir {

namespace {

constexpr bool is_extended(Request request) {
  return request == Request::parse || request == Request::bind || request == Request::describe ||
         request == Request::execute || request == Request::close;
}

}  // namespace

std::uint64_t Ledger::push(Request request, Reply reply) {
  if (size_ == ring_.size()) {
    std::vector<Entry> larger(ring_.empty() ? 8 : ring_.size() * 2);
    for (std::size_t i = 0; i < size_; ++i) larger[i] = at(i);
    ring_ = std::move(larger);
    head_ = 0;
  }
  ++size_;
  at(size_ - 1) = {request, reply};
  return taken_ + size_;
}

std::uint64_t Ledger::sent(char type, Reply reply) {
  if (uncertain_) return 0;
  const auto request = [&](Request kind) -> std::uint64_t {
    if (skipping_) return 0;
    batch_open_ = is_extended(kind);
    return push(kind, reply);
  };
  switch (type) {
    case 'Q':
      return request(Request::query);
    case 'F':
      return request(Request::function_call);
    case 'P':
      return request(Request::parse);
    case 'B':
      return request(Request::bind);
    case 'D':
      return request(Request::describe);
    case 'E':
      return request(Request::execute);
    case 'C':
      return request(Request::close);
    case 'S': {
      bool in_copy_data = copy_ == CopyMode::in;
      for (std::size_t i = 0; i < size_ && in_copy_data; ++i)
        in_copy_data = at(i).request != Request::copy_end;
      if (!in_copy_data) skipping_ = batch_open_ = false;
      return push(in_copy_data ? Request::maybe_sync : Request::sync, reply);
    }
    case 'c':
    case 'f':
      return size_ > 0 ? push(Request::copy_end, reply) : 0;
    default:
      return 0;  // CopyData, Flush and Terminate are not answered
  }
}

ReplyVerdict Ledger::received(char type) {
  if (uncertain_) return {.ready = type == 'Z'};
  drop_front_marks();
  const Reply reply = size_ > 0 ? at(0).reply : Reply::forward;
  const std::uint64_t sequence = size_ > 0 ? taken_ + 1 : 0;
  ReplyVerdict verdict;
  if (type == 'N' || type == 'S' || type == 'A') {
    verdict = {};
  } else if (size_ == 0) {
    verdict.action = type == 'E' ? ReplyVerdict::Action::forward : ReplyVerdict::Action::violation;
  } else {
    const Request front = at(0).request;
    verdict = judge(type, front);
    verdict.request = front;
    if (verdict.completed) {
      pop();
      drop_front_marks();
    }
  }
  verdict.sequence = sequence;
  // Notifications are the client's, whatever the server does meanwhile.
  const bool own =
      type != 'A' && (reply == Reply::swallow || (reply == Reply::swallow_unless_error && type != 'E'));
  if (own && verdict.action == ReplyVerdict::Action::forward) verdict.action = ReplyVerdict::Action::swallow;
  return verdict;
}

std::optional<Request> Ledger::take_supply() {
  drop_front_marks();
  if (size_ == 0 || at(0).reply != Reply::supply) return {};
  const Request request = at(0).request;
  pop();
  return request;
}

ReplyVerdict Ledger::judge(char type, Request front) {
  const bool runs = front == Request::query || front == Request::execute;
  const ReplyVerdict pass;
  const ReplyVerdict done{.completed = true};
  const ReplyVerdict violation{.action = ReplyVerdict::Action::violation};
  switch (type) {
    case 'Z':
      if (is_extended(front) || copy_ != CopyMode::none) return violation;
      return {.ready = true, .completed = true};
    case 'E':
      if (copy_ == CopyMode::in) copy_in_fails();
      copy_ = CopyMode::none;
      if (!uncertain_ && is_extended(front)) skip_to_sync();
      return pass;
    case 'C':
      if (!runs) return violation;
      if (copy_ == CopyMode::in && !copy_in_ends()) return violation;
      copy_ = CopyMode::none;
      return front == Request::execute ? done : pass;
    case 'I':
      if (!runs || copy_ != CopyMode::none) return violation;
      return front == Request::execute ? done : pass;
    case 's':
      return front == Request::execute && copy_ == CopyMode::none ? done : violation;
    case 'D':
      return runs ? pass : violation;
    case 'T':
      if (front == Request::describe) return done;
      return front == Request::query ? pass : violation;
    case 'n':
      return front == Request::describe ? done : violation;
    case 't':
      return front == Request::describe ? pass : violation;
    case '1':
      return front == Request::parse ? done : violation;
    case '2':
      return front == Request::bind ? done : violation;
    case '3':
      return front == Request::close ? done : violation;
    case 'V':
      return front == Request::function_call ? pass : violation;
    case 'G':
      if (!runs || copy_ != CopyMode::none) return violation;
      copy_in_starts();
      return pass;
    case 'H':
    case 'W':
      if (!runs || copy_ != CopyMode::none) return violation;
      copy_ = type == 'H' ? CopyMode::out : CopyMode::both;
      return pass;
    case 'd':
      return copy_ == CopyMode::out || copy_ == CopyMode::both ? pass : violation;
    case 'c':
      if (copy_ != CopyMode::out && copy_ != CopyMode::both) return violation;
      if (copy_ == CopyMode::out) copy_ = CopyMode::none;
      return pass;
    default:
      return violation;
  }
}

// Rule 4: the mark of an end of copy data that belongs to no COPY any more.
void Ledger::drop_front_marks() {
  while (size_ > 0 && (at(0).request == Request::copy_end || at(0).request == Request::nothing)) pop();
  if (size_ == 0 && ring_.size() > 1024) std::vector<Entry>().swap(ring_);
}

void Ledger::skip_to_sync() {
  while (size_ > 0 && at(0).request != Request::sync) pop();
  skipping_ = size_ == 0;
}

void Ledger::copy_in_starts() {
  copy_ = CopyMode::in;
  bool in_data = true;
  batch_open_ = is_extended(at(0).request);
  for (std::size_t i = 1; i < size_; ++i) {
    Request& request = at(i).request;
    if (request == Request::copy_end) {
      in_data = false;
    } else if (in_data && request == Request::sync) {
      request = Request::maybe_sync;
    } else if (!in_data && request != Request::nothing) {
      batch_open_ = is_extended(request);
    }
  }
}

bool Ledger::copy_in_ends() {
  std::size_t end = 1;
  while (end < size_ && at(end).request != Request::copy_end) ++end;
  if (end == size_) return false;
  // The server has read the data to its end, and every Sync before it as well.
  for (std::size_t i = 1; i <= end; ++i) at(i).request = Request::nothing;
  return true;
}

void Ledger::copy_in_fails() {
  for (std::size_t i = 1; i < size_ && at(i).request != Request::copy_end; ++i)
    uncertain_ = uncertain_ || at(i).request == Request::maybe_sync;
  if (!uncertain_) return;
  taken_ += size_;
  size_ = 0;
  batch_open_ = false;
}

bool Ledger::settled_for_client() const {
  if (skipping_ || batch_open_ || uncertain_ || copy_ != CopyMode::none) return false;
  for (std::size_t i = 0; i < size_; ++i) {
    if (ring_[(head_ + i) & (ring_.size() - 1)].reply != Reply::swallow) return false;
  }
  return true;
}

void Ledger::swallow_all() {
  for (std::size_t i = 0; i < size_; ++i) {
    if (at(i).reply != Reply::supply) at(i).reply = Reply::swallow;
  }
}

}  // namespace pgweir
