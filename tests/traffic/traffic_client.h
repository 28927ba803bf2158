#pragma once
// A client that does by chance whatever clients do, and knows to the letter what must come back. Every text
// that it sends has its own mark in it, "c<client>.<connection>" and "s<serial>", and every answer must have
// the same, with the settings of this client.
//
// Runs in a thread of its own.

#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/traffic/dialogue.h"
#include "tests/traffic/traffic.h"

namespace pgweir {

class TrafficClient {
 public:
  TrafficClient(Traffic& traffic, int number, std::uint64_t seed)
      : traffic_(traffic), number_(number), random_(seed) {}

  // Until the traffic is over.
  void run();

 private:
  // The server was lost, and the client was told so.
  struct Lost {};
  using Deed = void (TrafficClient::*)();

  void connect();
  void act();
  void leave();

  // ---- deeds: each begins and ends outside of a transaction, with nothing on its way ----
  void ask_simply();
  void ask_in_extended_protocol();
  void keep_unnamed();
  void prepare();
  void deallocate();
  void pipeline();
  void batch_with_error();
  void set_something();
  void transact();
  void use_temp_table();
  void discard_all();
  void fail();
  void copy();
  void ask_for_much();
  void cancel();
  void vanish();

  // ---- parts ----
  void add_row(Dialogue& dialogue);
  void add_extended_row(Dialogue& dialogue, bool sync);
  void add_error(Dialogue& dialogue);
  void add_prepared(Dialogue& dialogue);
  void add_insert(Dialogue& dialogue);

  std::string me() const { return "c" + std::to_string(number_) + "." + std::to_string(connection_); }
  std::string next_mark() { return "s" + std::to_string(++serial_); }
  std::string settings_sql() const;
  std::string settings() const { return name_ + "|" + tag_ + "|" + zone_; }
  std::string statement_name();
  // Sends it and compares what comes.
  void hold(const Dialogue& dialogue);
  std::string next_line();
  [[noreturn]] void mismatch(const std::string& expected, const std::string& actual) const;
  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
  }
  bool chance(std::size_t one_in) { return below(one_in) == 0; }

  Traffic& traffic_;
  const int number_;
  int connection_ = 0;
  std::uint64_t serial_ = 0;
  std::mt19937_64 random_;
  std::optional<WireClient> wire_;
  std::string name_, tag_, zone_;  // application_name, my.tag, TimeZone
  std::optional<std::string> temp_;
  std::map<std::string, std::string> prepared_;  // names, and what the statement returns first
  std::vector<std::string> unacknowledged_;      // rows of the dialogue that is being held
  const Dialogue* present_ = nullptr;
};

}  // namespace pgweir
