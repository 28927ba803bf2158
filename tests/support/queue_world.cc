#include "tests/support/queue_world.h"

#include <cmath>
#include <utility>

namespace pgweir::testing {

void QueueWorld::arrive(Instant at, Job job) {
  auto client = std::make_shared<Client>();
  client->job = job;
  push(at, Kind::arrive, std::move(client));
}

void QueueWorld::run(Instant until) {
  while (!events_.empty() && events_.top().at <= until) {
    const Event event = events_.top();
    events_.pop();
    while (meter_.cut_due() <= event.at) meter_.cut(meter_.cut_due());
    now_ = event.at;
    Client& client = *event.client;
    switch (event.kind) {
      case Kind::arrive:
        client.arrived = now_;
        meter_.arrived(client.use, now_);
        if (busy_ < size_) {
          serve(event.client);
        } else {
          meter_.queued(client.use, now_);
          queue_.push_back(event.client);
        }
        break;
      case Kind::worked:
        meter_.query_finished(client.use, client.job.think > Duration::zero(), now_);
        if (client.job.think > Duration::zero()) {
          push(now_ + client.job.think, Kind::thought, event.client);
        } else {
          done(client);
        }
        break;
      case Kind::thought:
        meter_.query_started(client.use, now_);
        meter_.query_finished(client.use, false, now_);
        done(client);
        break;
    }
  }
  while (meter_.cut_due() <= until) meter_.cut(meter_.cut_due());
  now_ = until;
}

void QueueWorld::push(Instant at, Kind kind, std::shared_ptr<Client> client) {
  events_.push({at, order_++, kind, std::move(client)});
}

void QueueWorld::serve(std::shared_ptr<Client> client) {
  ++busy_;
  meter_.served(client->use, WaitReason::pool_full, now_);
  meter_.linked(client->use, now_);
  meter_.query_started(client->use, now_);
  waits.push_back(std::chrono::duration<double>(now_ - client->arrived).count());
  const Instant end = now_ + client->job.work;
  push(end, Kind::worked, std::move(client));
}

void QueueWorld::done(Client& client) {
  --busy_;
  holding_seconds += std::chrono::duration<double>(client.job.work + client.job.think).count();
  meter_.released(client.use, now_);
  if (!queue_.empty()) {
    auto next = std::move(queue_.front());
    queue_.pop_front();
    serve(std::move(next));
  }
  if (on_done) on_done(now_);
}

Duration exponential(Random& random, Duration mean) {
  const double u = (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53;
  return Duration(std::llround(-std::log(u) * static_cast<double>(mean.count())));
}

void poisson_load(QueueWorld& world, Random& random, double rate, Duration work, Instant from, Instant to) {
  const Duration gap(std::llround(1e9 / rate));
  for (Instant at = from + exponential(random, gap); at < to; at += exponential(random, gap))
    world.arrive(at, {exponential(random, work), {}});
}

void closed_load(QueueWorld& world, Random& random, int clients, Duration think, Duration work,
                 Instant from) {
  const auto next = [&world, &random, think, work](Instant now) {
    world.arrive(now + exponential(random, think), {exponential(random, work), {}});
  };
  world.on_done = next;
  for (int i = 0; i < clients; ++i) next(from);
}

}  // namespace pgweir::testing
