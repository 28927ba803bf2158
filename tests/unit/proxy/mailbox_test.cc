#include "proxy/net/mailbox.h"

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <thread>

namespace pgweir {
namespace {

struct Note {
  std::size_t sender = 0;
  int number = 0;
  std::unique_ptr<int> owned;  // mail is moved, never copied
};

TEST_CASE("mail of several senders all arrives, that of one sender in its order") {
  constexpr std::size_t senders = 4;
  constexpr int each = 20000;
  Loop loop;
  std::array<int, senders> next{};
  int received = 0, wakes = 0;
  bool in_order = true;
  std::vector<Note> notes;
  std::unique_ptr<Mailbox<Note>> mailbox;
  mailbox = std::make_unique<Mailbox<Note>>(loop.get(), [&] {
    ++wakes;
    mailbox->take(notes);
    for (const Note& note : notes) {
      in_order = in_order && note.number == next[note.sender]++ && *note.owned == note.number;
      ++received;
    }
    if (received == each * static_cast<int>(senders)) uv_stop(loop.get());
  });

  std::vector<std::jthread> threads;
  for (std::size_t sender = 0; sender < senders; ++sender) {
    threads.emplace_back([&mailbox, sender] {
      for (int i = 0; i < each; ++i) mailbox->post({sender, i, std::make_unique<int>(i)});
    });
  }
  uv_run(loop.get(), UV_RUN_DEFAULT);
  threads.clear();

  CHECK(received == each * static_cast<int>(senders));
  CHECK(in_order);
  CHECK(wakes <= received);
  mailbox.reset();
  CHECK(loop.finish(std::chrono::seconds(10)));
}

TEST_CASE("mail to a mailbox that closes meanwhile is dropped and harms nobody") {
  Loop loop;
  std::vector<int> taken;
  std::unique_ptr<Mailbox<int>> mailbox;
  mailbox = std::make_unique<Mailbox<int>>(loop.get(), [&] {
    mailbox->take(taken);
    mailbox->close();
  });
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&mailbox] {
      for (int n = 0; n < 1000; ++n) mailbox->post(n);
    });
  }
  CHECK(loop.finish(std::chrono::seconds(10)));
  threads.clear();
  mailbox->post(1);
  mailbox->wake();
  CHECK(!taken.empty());
}

TEST_CASE("a wake without mail calls the owner") {
  Loop loop;
  std::vector<int> taken{1, 2};
  bool called = false;
  std::unique_ptr<Mailbox<int>> mailbox;
  mailbox = std::make_unique<Mailbox<int>>(loop.get(), [&] {
    called = true;
    mailbox->take(taken);
    uv_stop(loop.get());
  });
  std::jthread([&mailbox] { mailbox->wake(); }).join();
  uv_run(loop.get(), UV_RUN_DEFAULT);
  CHECK(called);
  CHECK(taken.empty());
}

}  // namespace
}  // namespace pgweir
