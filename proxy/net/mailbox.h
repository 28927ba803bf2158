#pragma once
// The one structure that threads share: a queue of mail and a wake-up. Mail of one sender arrives in the
// order in which it was posted.
//
// The mailbox is made and closed by the thread that owns the loop; `post` and `wake` may be called by any
// thread, at any time until the mailbox is destroyed. Mail posted after `close` is dropped.

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "proxy/net/handle.h"

namespace pgweir {

template <class T>
class Mailbox {
 public:
  // `on_mail` runs on the loop's thread after a post or a wake, once for several of them.
  Mailbox(uv_loop_t* loop, std::function<void()> on_mail) : on_mail_(std::move(on_mail)) {
    async_ = make_handle<uv_async_t>(this, [&](uv_async_t* async) {
      return uv_async_init(loop, async,
                           [](uv_async_t* woken) { static_cast<Mailbox*>(woken->data)->on_mail_(); });
    });
  }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  void post(T mail) {
    const std::lock_guard lock(mutex_);
    if (!async_) return;
    mail_.push_back(std::move(mail));
    // Who finds it empty wakes the owner; the owner takes all at once.
    if (mail_.size() == 1) uv_async_send(async_.get());
  }
  void wake() {
    const std::lock_guard lock(mutex_);
    if (async_) uv_async_send(async_.get());
  }

  // All mail there is; the memory of `taken` goes round.
  void take(std::vector<T>& taken) {
    taken.clear();
    const std::lock_guard lock(mutex_);
    taken.swap(mail_);
  }
  void close() {
    const std::lock_guard lock(mutex_);
    async_.reset();
  }

 private:
  std::function<void()> on_mail_;
  std::mutex mutex_;
  std::vector<T> mail_;
  HandlePtr<uv_async_t> async_;  // null: closed
};

}  // namespace pgweir
