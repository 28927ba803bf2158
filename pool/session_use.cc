#include "pool/session_use.h"

namespace pgweir {

namespace {

void add_use(UseCount& count, const UseCount& other) {
  count.sessions += other.sessions;
  count.transactions += other.transactions;
}

void count_once(UseCount& count, bool in_session, bool in_transaction) {
  if (!in_session) ++count.sessions;
  if (!in_transaction) ++count.transactions;
}

}  // namespace

void ApplicationUse::add(const ApplicationUse& other) {
  add_use(all, other.all);
  for (std::size_t i = 0; i < state.size(); ++i) add_use(state[i], other.state[i]);
  add_use(named_statement, other.named_statement);
  add_use(unread, other.unread);
}

ApplicationUse& ApplicationUses::of(std::string_view name) {
  name = name.substr(0, longest_name);
  if (const auto found = named_.find(name); found != named_.end()) return found->second;
  if (named_.size() >= most_names) return others_;
  return named_[std::string(name)];
}

void SessionUseNotes::begin_transaction(ApplicationUse& application) {
  if (application_ != &application) {
    application_ = &application;
    session_ = {};
    ++application.all.sessions;
  }
  transaction_ = {};
  ++application.all.transactions;
}

void SessionUseNotes::note(const SessionUses& uses) {
  if (application_ == nullptr) return;
  for (const StateKindRow& it : state_kinds) {
    if (!uses.state.has(it.kind)) continue;
    count_once(application_->state[static_cast<std::size_t>(it.kind)], session_.state.has(it.kind),
               transaction_.state.has(it.kind));
  }
  if (uses.named_statement)
    count_once(application_->named_statement, session_.named_statement, transaction_.named_statement);
  if (uses.unread) count_once(application_->unread, session_.unread, transaction_.unread);
  for (SessionUses* const so_far : {&session_, &transaction_}) {
    so_far->state.add(uses.state);
    so_far->named_statement |= uses.named_statement;
    so_far->unread |= uses.unread;
  }
}

}  // namespace pgweir
