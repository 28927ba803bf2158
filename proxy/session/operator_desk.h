#pragma once
// What the operator orders on the console beside questions: PAUSE and its like. The control thread's part: it
// keeps the gates, tells the workers, and answers when all of them have done what is to be done.
//
// An order has up to two rounds. In the first every worker learns the new gates. When all have said so, no
// server that the gates forbid is opened or moved between workers any more, and what was on its way has
// arrived, since it was mailed before: so in the second round each worker can say for itself when its last
// one is gone.

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "admin/console.h"
#include "pool/gates.h"
#include "proxy/session/control_host.h"

namespace pgweir {

class OperatorDesk {
 public:
  OperatorDesk(int workers, ControlHost& host) : workers_(workers), host_(host) {}

  const Gates& gates() const { return gates_; }
  // Starts to do what the console command asks for; its answer is posted when it is done.
  void order(const ConsoleAsked& asked, ConsoleResult result);
  // The same without anybody who waits for an answer: PAUSE or RESUME of all by a signal.
  void order(ConsoleAction action);
  // A worker has done its part of a round.
  void done(const OrderDone& mail);
  // The client that asked has cancelled its command, or is gone.
  void gave_up(const ConsoleGaveUp& mail);

 private:
  struct Order {
    WorkerId worker;
    ConnId client;
    ConsoleAction action = ConsoleAction::none;
    std::string database;
    std::string answer;
    Gates before;
    bool waiting = false;  // in the second round
    bool found = false;    // the client to be killed
    bool told = false;     // who asked has been answered already
    int left = 0;          // workers that have not said yet that they are done
  };
  using Orders = std::map<std::uint64_t, Order>;

  void begin(Order order, std::uint64_t connection);
  void ask(std::uint64_t ticket, Order& order, OrderGiven::Act act, std::uint64_t connection = 0);
  void answer(const Order& order, std::string bytes);
  void end_waiting(const std::function<bool(const Order&)>& concerned, const ConsoleError& error);
  void forget(Orders::iterator order);

  const int workers_;
  ControlHost& host_;
  Gates gates_;
  std::uint64_t tickets_ = 0;
  Orders orders_;
};

}  // namespace pgweir
