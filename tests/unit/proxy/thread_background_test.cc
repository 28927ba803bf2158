#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "proxy/net/background.h"

using namespace pgweir;

TEST_CASE("background: jobs run one after the other, on another thread") {
  const std::thread::id here = std::this_thread::get_id();
  std::vector<int> order;  // written by the one thread, read when it is done
  std::promise<void> done;
  bool elsewhere = true;
  Background background;
  for (int i = 0; i < 100; ++i) {
    background.run([&, i] {
      elsewhere = elsewhere && std::this_thread::get_id() != here;
      order.push_back(i);
      if (i == 99) done.set_value();
    });
  }
  done.get_future().wait();
  CHECK(elsewhere);
  REQUIRE(order.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("background: its end waits for the job that runs") {
  std::promise<void> started, go_on;
  std::atomic<int> done = 0;
  {
    Background background;
    background.run([&] {
      started.set_value();
      go_on.get_future().wait();
      ++done;
    });
    started.get_future().wait();
    for (int i = 0; i < 10; ++i) background.run([&] { ++done; });
    go_on.set_value();
  }
  CHECK(done >= 1);
}
