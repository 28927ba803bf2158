#pragma once
// Clients that work without a pause in threads of their own, to order something under load.

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/servers.h"

namespace pgweir {

// Each client runs transactions of three statements, and checks that all answers are right. One that loses
// its connection connects again; `failures` keeps what it was told.
class Load {
 public:
  Load(const PgweirProcess& pgweir, int clients, std::string more = {})
      : pgweir_(pgweir), more_(std::move(more)) {
    for (int i = 0; i < clients; ++i) threads_.emplace_back([this] { work(); });
  }
  ~Load() { stop(); }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Waits until so many more transactions are done.
  bool goes_on(int transactions = 50) const {
    const long goal = done_ + transactions;
    return eventually([&] { return done_ >= goal; });
  }
  void stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  long done() const { return done_; }
  long wrong() const { return wrong_; }
  // Transactions that a server had begun, and that did not end as they should.
  long broken() const { return broken_; }
  std::vector<std::string> failures() const {
    const std::lock_guard lock(mutex_);
    return failures_;
  }

 private:
  void work() {
    long number = 0;
    while (!stopping_) {
      bool begun = false;
      try {
        PgConnection client = pgweir_.connect(more_);
        while (!stopping_) {
          const std::string value = std::to_string(++number);
          client.must("begin");
          if (client.value("select " + value) != value) ++wrong_;
          begun = true;
          client.must("commit");
          begun = false;
          ++done_;
        }
      } catch (const std::exception& error) {
        if (begun) ++broken_;
        const std::lock_guard lock(mutex_);
        failures_.emplace_back(error.what());
      }
    }
  }

  const PgweirProcess& pgweir_;
  const std::string more_;
  std::atomic<bool> stopping_ = false;
  std::atomic<long> done_ = 0, wrong_ = 0, broken_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> failures_;
  std::vector<std::thread> threads_;
};

}  // namespace pgweir
