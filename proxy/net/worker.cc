#include "proxy/net/worker.h"

#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <limits>
#include <stop_token>

#include "protocol/digest.h"
#include "protocol/saslprep.h"
#include "proxy/net/address.h"

namespace pgweir {
namespace {

// A turn that has gathered this much is written before it goes on.
constexpr std::size_t turn_limit = 1024 * 1024;
// What is read from a connection whose peer takes nothing any more: room for its last words.
constexpr std::size_t last_words_limit = 256 * 1024;
// Closed connections that may wait for their peers' end at the same time.
constexpr std::size_t lingering_limit = 1000;
constexpr std::size_t lingering_limit_when_full = 1;  // when there are hardly any file descriptors left
// File descriptors that are left to servers, the console, and clients that are to be told why they are
// refused: so many, and a few more for each worker.
constexpr long spare_descriptors = 28, spare_of_worker = 4;
constexpr Duration finish_limit = std::chrono::seconds(2);

}  // namespace

struct Worker::KeyWork {
  uv_work_t request;
  Worker* worker;
  KeyWanted wanted;
  Digest key;
};

Worker::Worker(WorkerId id, std::vector<ListenSocket> sockets, const Mailboxes& mailboxes, Log& log,
               std::shared_ptr<const Settings> settings, std::shared_ptr<const TlsContexts> tls,
               std::string process_secret)
    : id_(id),
      mailboxes_(mailboxes),
      log_(log),
      sockets_(std::move(sockets)),
      settings_(std::move(settings)),
      tls_(std::move(tls)),
      process_secret_(std::move(process_secret)),
      mailbox_(loop_.get(), [this] { on_mail(); }) {}

Worker::~Worker() {
  join();
  // A worker that never ran.
  mailbox_.close();
}

void Worker::start() {
  thread_ = std::jthread([this](const std::stop_token& stop_asked) { run(stop_asked); });
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::run(const std::stop_token& stop_asked) {
  stop_asked_ = stop_asked;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  descriptors_ = static_cast<long>(std::min<rlim_t>(limit.rlim_cur, std::numeric_limits<int>::max()));
  resolver_.emplace(loop_.get(), log_);
  turn_.emplace(loop_.get(), static_cast<TurnTaker&>(*this));
  linger_timer_ = make_handle<uv_timer_t>(this, [&](uv_timer_t* h) { return uv_timer_init(loop_.get(), h); });
  core_ = std::make_unique<WorkerCore>(id_, static_cast<int>(mailboxes_.workers.size()),
                                       static_cast<Host&>(*this), settings_, std::move(process_secret_),
                                       instant_now());
  turn_->open();  // the core may have plans already
  listen();
  const std::stop_callback wake(stop_asked, [this] { mailbox_.wake(); });
  uv_run(loop_.get(), UV_RUN_DEFAULT);
  let_linger();
  shut_down();
}

// The last words of a drain are on their way.
void Worker::let_linger() {
  const Instant end = instant_now() + Stream::goodbye_limit;
  while (!lingering_.empty() && instant_now() < end) {
    uv_run(loop_.get(), UV_RUN_NOWAIT);
    ::usleep(1000);
  }
}

void Worker::shut_down() {
  stopping_ = true;
  mailbox_.close();
  listeners_.clear();
  turn_->close();
  linger_timer_.reset();
  dials_.clear();
  resolver_.reset();
  for (Stream* stream : streams_) {
    if (stream != nullptr) stream->destroy();
  }
  streams_.clear();
  for (const auto& [deadline, stream] : std::exchange(lingering_, {})) stream->destroy();
  finished_ = loop_.finish(finish_limit);
  core_.reset();
}

void Worker::listen() {
  const auto accept = [](uv_stream_t* listener, int status) {
    Worker& self = *static_cast<Worker*>(listener->data);
    if (status == 0) {
      self.on_client(listener);
    } else {
      self.log_.write(LogLevel::warning, "cannot accept a client: " + error_text(status));
    }
  };
  for (ListenSocket& socket : sockets_) {
    Listener listener;
    uv_stream_t* stream = nullptr;
    if (socket.family == AF_UNIX) {
      listener.pipe =
          make_handle<uv_pipe_t>(this, [&](uv_pipe_t* h) { return uv_pipe_init(loop_.get(), h, 0); });
      uv_pipe_open(listener.pipe.get(), socket.socket.release());
      stream = reinterpret_cast<uv_stream_t*>(listener.pipe.get());
    } else {
      listener.tcp = make_handle<uv_tcp_t>(this, [&](uv_tcp_t* h) { return uv_tcp_init(loop_.get(), h); });
      uv_tcp_open(listener.tcp.get(), socket.socket.release());
      stream = reinterpret_cast<uv_stream_t*>(listener.tcp.get());
    }
    const int failed = uv_listen(stream, settings_->listen.backlog, accept);
    if (failed < 0) log_.write(LogLevel::error, "cannot listen: " + error_text(failed));
    listeners_.push_back(std::move(listener));
  }
  sockets_.clear();
}

void Worker::on_client(uv_stream_t* listener) {
  const int family = listener->type == UV_TCP ? AF_INET : AF_UNIX;
  auto* const stream = new Stream(loop_.get(), family, *this);
  if (stream->accept(listener) < 0) {
    stream->destroy();
    return;
  }
  turn_->open();
  // The system gives the lowest number that is free. Once there are none at all, libuv accepts and closes.
  const long spare = spare_descriptors + spare_of_worker * static_cast<long>(mailboxes_.workers.size());
  const long full = stream->fd() >= descriptors_ - spare ? descriptors_ : 0;
  if (full != 0 && lingering_.size() > lingering_limit_when_full) lingering_.begin()->second->destroy();
  enter(core_->on_accept(ends_of(stream->fd(), settings_->listen.port), full), stream);
}

void Worker::on_mail() {
  mailbox_.take(mail_);
  for (WorkerMail& mail : mail_) {
    turn_->open();
    if (const auto* const settings = std::get_if<NewSettings>(&mail); settings != nullptr && settings->tls)
      tls_ = settings->tls;
    const auto* const drain = std::get_if<Drain>(&mail);
    if (drain != nullptr && drain->handed_over) listeners_.clear();
    core_->on_mail(std::move(mail));
    if (core_->arena().used() > turn_limit) core_->flush();
  }
  mail_.clear();
  if (stop_asked_.stop_requested()) uv_stop(loop_.get());
}

Stream* Worker::find(ConnId conn) const {
  if (conn.slot >= streams_.size()) return nullptr;
  Stream* const stream = streams_[conn.slot];
  return stream != nullptr && stream->id() == conn ? stream : nullptr;
}

void Worker::enter(ConnId conn, Stream* stream) {
  if (conn.slot >= streams_.size()) streams_.resize(conn.slot + 1);
  stream->bind(conn);
  streams_[conn.slot] = stream;
  stream->set_reading(true);
}

void Worker::deliver(ConnId conn, Bytes bytes) {
  core_->on_bytes(conn, bytes);
  if (core_->arena().used() > turn_limit) core_->flush();
}

// ---- what the core asks for ----

void Worker::dial(ConnId conn, const Endpoint& endpoint) {
  auto made = std::make_unique<Dial>(loop_.get(), *resolver_, static_cast<DialOwner&>(*this), conn, endpoint);
  dials_[conn] = std::move(made);
}

void Worker::adopt(ConnId conn, Transport transport) {
  Descriptor socket(static_cast<int>(transport.handle));
  int family = 0;
  socklen_t size = sizeof family;
  getsockopt(socket.get(), SOL_SOCKET, SO_DOMAIN, &family, &size);
  auto* const stream = new Stream(loop_.get(), family, *this);
  const int failed = socket.valid() ? stream->open(socket.get()) : UV_EBADF;
  if (failed == 0) socket.release();
  stream->resume_tls(std::move(transport.tls));
  enter(conn, stream);
  if (failed < 0) stream->break_off(failed);
}

Transport Worker::detach(ConnId conn) {
  Stream* const stream = find(conn);
  if (stream == nullptr) return {};
  streams_[conn.slot] = nullptr;
  Transport result;
  result.handle = stream->detach(result.tls);
  return result;
}

void Worker::write(ConnId conn, Outbox& outbox) {
  if (Stream* const stream = find(conn)) {
    stream->write(outbox);
  } else {
    outbox.clear(core_->chunks());
  }
}

void Worker::start_tls(ConnId conn, TlsStart start) {
  Stream* const stream = find(conn);
  if (stream == nullptr) return;
  auto channel = tls_->start(start);
  if (channel && stream->start_tls(std::move(*channel))) {
    if (!start.received.empty()) tls_begun_.push_back({conn, std::move(start.received), {}});
    return;
  }
  tls_begun_.push_back(
      {conn, {}, channel ? "what was to be sent in clear could not be sent" : channel.error()});
}

// It is told in a turn of its own.
void Worker::begin_tls(ConnId conn, const std::string& received, const std::string& error) {
  if (!error.empty()) return core_->on_tls(conn, {error, {}});
  if (Stream* const stream = find(conn)) stream->receive(received);
}

void Worker::set_reading(ConnId conn, bool reading) {
  if (Stream* const stream = find(conn)) stream->set_reading(reading);
}

void Worker::close(ConnId conn, Outbox& outbox) {
  if (Stream* const stream = find(conn)) {
    streams_[conn.slot] = nullptr;
    stream->finish(outbox);
    return;
  }
  outbox.clear(core_->chunks());
  dials_.erase(conn);
  failed_dials_.erase(conn);
}

void Worker::abort(ConnId conn, Outbox& outbox) {
  outbox.clear(core_->chunks());
  if (Stream* const stream = find(conn)) {
    streams_[conn.slot] = nullptr;
    stream->destroy();
    return;
  }
  close(conn, outbox);  // still being dialed
}

void Worker::post(WorkerId worker, WorkerMail mail) {
  mailboxes_.workers[worker.value]->post(std::move(mail));
}

void Worker::post_control(ControlMail mail) { mailboxes_.control->post(std::move(mail)); }

void Worker::derive_key(KeyWanted wanted) {
  auto* const work = new KeyWork{{}, this, std::move(wanted), {}};
  work->request.data = work;
  uv_queue_work(
      loop_.get(), &work->request,
      [](uv_work_t* request) {
        KeyWork& self = *static_cast<KeyWork*>(request->data);
        std::string prepared = saslprep(self.wanted.password);
        self.key = pbkdf2(prepared, self.wanted.salt, static_cast<std::uint32_t>(self.wanted.iterations));
        wipe(prepared);
      },
      [](uv_work_t* request, int) {
        const std::unique_ptr<KeyWork> done(static_cast<KeyWork*>(request->data));
        Worker& self = *done->worker;
        if (!self.stopping_) {
          self.turn_->open();
          self.core_->on_key(done->wanted.ticket, done->key);
        }
        wipe(done->wanted.password);
        wipe(done->key);
      });
}

void Worker::random(std::span<char> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
    if (got > 0) bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

void Worker::log(LogLine line) { log_.write(line); }

// ---- what happens to streams ----

std::span<char> Worker::read_space(std::size_t least) {
  turn_->open();
  return core_->arena().read_space(least);
}

void Worker::on_read(Stream& stream, std::size_t size) { deliver(stream.id(), core_->arena().commit(size)); }

void Worker::on_tls(Stream& stream, const std::string& error) {
  turn_->open();
  TlsResult result{.error = error, .info = {}};
  if (error.empty()) result.info = stream.tls()->info();
  core_->on_tls(stream.id(), std::move(result));
}

void Worker::on_end(Stream& stream, int error) {
  const ConnId conn = stream.id();
  streams_[conn.slot] = nullptr;
  stream.destroy();
  turn_->open();
  core_->on_closed(conn, error == 0 ? "" : error_text(error));
}

void Worker::on_broken(Stream& stream) {
  turn_->open();
  broken_.push_back(stream.id());
}

void Worker::on_drained(Stream& stream) {
  turn_->open();
  core_->on_drained(stream.id());
}

void Worker::on_connected(Stream& stream, int error) {
  const ConnId conn = stream.id();
  const auto dialing = dials_.find(conn);
  Stream* const connected = dialing->second->on_connected(stream, error);
  if (connected == nullptr) return;
  const int port = dialing->second->port();
  dials_.erase(dialing);
  enter(conn, connected);
  turn_->open();
  core_->on_dialed(conn, {.connected = true, .error = {}, .peer = ends_of(connected->fd(), port)});
}

void Worker::on_dial_failed(ConnId conn, std::string error) {
  turn_->open();
  failed_dials_[conn] = std::move(error);
}

// ---- the turn's end ----

void Worker::end_turn() {
  core_->end_turn();
  // What failed is told to the core in turns of its own, since it is not called back inside a call.
  while (!broken_.empty() || !failed_dials_.empty() || !tls_begun_.empty()) {
    core_->begin_turn(turn_->now());
    for (const TlsBegun& it : std::exchange(tls_begun_, {})) begin_tls(it.conn, it.received, it.error);
    for (const ConnId conn : std::exchange(broken_, {})) report_broken(conn);
    for (const auto& [conn, error] : std::exchange(failed_dials_, {})) {
      if (dials_.erase(conn) == 0) continue;
      core_->on_dialed(conn, {.connected = false, .error = error, .peer = {}});
    }
    core_->end_turn();
  }
}

// A server says why it closes, and then our write fails: its words come first.
void Worker::report_broken(ConnId conn) {
  std::size_t total = 0;
  ssize_t size = 1;
  Stream* stream = nullptr;
  while ((stream = find(conn)) != nullptr && total < last_words_limit) {
    size = stream->receive_rest();
    if (size <= 0) break;
    total += static_cast<std::size_t>(size);
  }
  if (stream == nullptr) return;  // closed by the core meanwhile
  const std::string error = size == 0 ? "" : error_text(stream->error());
  streams_[conn.slot] = nullptr;
  stream->destroy();
  core_->on_closed(conn, error);
}

// ---- connections that close ----

void Worker::on_linger(Stream& stream, Duration limit) {
  on_gone(stream);
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  stream.linger_until = uv_now(loop_.get()) + static_cast<std::uint64_t>(millis);
  lingering_.emplace(stream.linger_until, &stream);
  if (lingering_.size() > lingering_limit) lingering_.begin()->second->destroy();
  if (lingering_.begin()->second == &stream) arm_linger();
}

void Worker::on_gone(Stream& stream) { lingering_.erase({stream.linger_until, &stream}); }

void Worker::arm_linger() {
  if (lingering_.empty()) return;
  const std::uint64_t first = lingering_.begin()->first, now = uv_now(loop_.get());
  uv_timer_start(
      linger_timer_.get(), [](uv_timer_t* h) { static_cast<Worker*>(h->data)->on_linger_timer(); },
      first > now ? first - now : 0, 0);
}

void Worker::on_linger_timer() {
  while (!lingering_.empty() && lingering_.begin()->first <= uv_now(loop_.get())) {
    lingering_.begin()->second->destroy();
  }
  arm_linger();
}

}  // namespace pgweir
