#include "proxy/session/operator_desk.h"

#include <memory>
#include <optional>
#include <utility>

namespace pgweir {
namespace {

// What is waited for after the gates are known.
std::optional<OrderGiven::Act> second_round(ConsoleAction action) {
  if (action == ConsoleAction::pause) return OrderGiven::Act::await_closed;
  if (action == ConsoleAction::wait_close) return OrderGiven::Act::await_renewed;
  if (action == ConsoleAction::suspend) return OrderGiven::Act::await_flushed;
  return std::nullopt;
}

void change(Gates& gates, ConsoleAction action, const std::string& database) {
  const bool all = database.empty();
  if (action == ConsoleAction::pause || action == ConsoleAction::kill) {
    if (all) {
      gates.all = Gates::All::paused;
    } else {
      gates.paused.insert(database);
    }
  } else if (action == ConsoleAction::resume) {
    if (all) {
      gates.all = Gates::All::open;
    } else {
      gates.paused.erase(database);
    }
  } else if (action == ConsoleAction::suspend) {
    gates.all = Gates::All::suspended;
  } else if (action == ConsoleAction::disable) {
    gates.disabled.insert(database);
  } else if (action == ConsoleAction::enable) {
    gates.disabled.erase(database);
  } else if (action == ConsoleAction::reconnect) {
    ++(all ? gates.renewals : gates.renewals_of[database]);
  }
}

}  // namespace

void OperatorDesk::order(const ConsoleAsked& asked, ConsoleResult result) {
  begin({.worker = asked.worker,
         .client = asked.client,
         .action = result.action,
         .database = result.order.database,
         .answer = std::move(result.bytes),
         .before = gates_},
        result.order.client);
}

void OperatorDesk::order(ConsoleAction action) {
  Order order;
  order.action = action;
  order.before = gates_;
  order.told = true;
  begin(std::move(order), 0);
}

void OperatorDesk::begin(Order order, std::uint64_t connection) {
  const std::uint64_t ticket = ++tickets_;
  if (order.action == ConsoleAction::resume) {
    const ConsoleError error{sqlstate::query_canceled, "ended by RESUME"};
    const std::string& database = order.database;
    end_waiting(
        [&](const Order& it) {
          const bool stops = it.action == ConsoleAction::pause || it.action == ConsoleAction::suspend;
          return stops && it.database == database;
        },
        error);
  }
  change(gates_, order.action, order.database);
  Order& kept = orders_[ticket] = std::move(order);
  const OrderGiven::Act act = kept.action == ConsoleAction::kill          ? OrderGiven::Act::kill
                              : kept.action == ConsoleAction::kill_client ? OrderGiven::Act::kill_client
                                                                          : OrderGiven::Act::learn;
  ask(ticket, kept, act, connection);
}

void OperatorDesk::ask(std::uint64_t ticket, Order& order, OrderGiven::Act act, std::uint64_t connection) {
  order.left = workers_;
  const auto gates = std::make_shared<const Gates>(gates_);
  for (int i = 0; i < workers_; ++i) {
    host_.post(WorkerId{static_cast<std::uint32_t>(i)},
               OrderGiven{ticket, act, gates, order.database, connection});
  }
}

void OperatorDesk::done(const OrderDone& mail) {
  const auto found = orders_.find(mail.ticket);
  if (found == orders_.end()) return;
  Order& order = found->second;
  order.found = order.found || mail.found;
  if (--order.left > 0) return;
  if (const auto act = second_round(order.action); act && !order.waiting) {
    order.waiting = true;
    return ask(mail.ticket, order, *act);
  }
  const bool missed = order.action == ConsoleAction::kill_client && !order.found;
  answer(order, missed ? action_failed({sqlstate::undefined_object,
                                        "client not found",
                                        {},
                                        "SHOW CLIENTS lists those that are there, by id."})
                       : std::move(order.answer));
  orders_.erase(found);
}

void OperatorDesk::answer(const Order& order, std::string bytes) {
  if (order.told) return;
  host_.post(order.worker, ConsoleAnswered{order.client, std::move(bytes), false});
}

void OperatorDesk::forget(Orders::iterator order) {
  for (int i = 0; i < workers_; ++i)
    host_.post(WorkerId{static_cast<std::uint32_t>(i)}, OrderForgotten{order->first});
  orders_.erase(order);
}

void OperatorDesk::end_waiting(const std::function<bool(const Order&)>& concerned,
                               const ConsoleError& error) {
  for (auto it = orders_.begin(); it != orders_.end();) {
    const auto order = it++;
    if (!concerned(order->second)) continue;
    answer(order->second, action_failed(error));
    forget(order);
  }
}

void OperatorDesk::gave_up(const ConsoleGaveUp& mail) {
  for (auto it = orders_.begin(); it != orders_.end(); ++it) {
    Order& order = it->second;
    if (order.worker != mail.worker || order.client != mail.client) continue;
    // Only what waits can be cancelled; the rest is about to be done. A client that is gone takes nothing
    // back.
    if (!second_round(order.action)) return;
    if (!mail.cancelled) return forget(it);
    answer(order, action_failed({sqlstate::query_canceled, "canceling statement due to user request"}));
    const ConsoleAction action = order.action;
    const std::string database = order.database;
    const bool was_paused = !database.empty() && order.before.paused.contains(database);
    forget(it);
    if (action == ConsoleAction::wait_close || was_paused) return;
    change(gates_, ConsoleAction::resume, database);
    Order& opening = orders_[++tickets_];
    opening.action = ConsoleAction::resume;
    opening.told = true;
    ask(tickets_, opening, OrderGiven::Act::learn);
    return;
  }
}

}  // namespace pgweir
