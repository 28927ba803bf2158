#include "proxy/net/metrics_server.h"

#include <algorithm>
#include <stop_token>

#include "admin/metrics/console_rows.h"
#include "admin/metrics/metrics_table.h"

namespace pgweir {
namespace {

constexpr int backlog = 64;
constexpr std::uint64_t look_period_ms = 500;
constexpr Bytes plain_text = "text/plain; charset=utf-8";

uv_stream_t* stream_of(uv_tcp_t* tcp) { return reinterpret_cast<uv_stream_t*>(tcp); }

// What SHOW STATE says, so that PAUSE is seen here as soon as the console knows it.
bool says_yes(const World& world, Bytes key) {
  const ConsoleRows state = console_rows("SHOW STATE", world);
  return std::any_of(state.rows.begin(), state.rows.end(),
                     [&](const auto& row) { return row.size() > 1 && row[0] == key && row[1] == "yes"; });
}

// Empty: clients are served.
std::string why_not_ready(const MetricsFacts& facts) {
  if (facts.draining) return "draining";
  const World world = facts.world();
  if (says_yes(world, "paused")) return "paused";
  if (says_yes(world, "suspended")) return "suspended";
  return {};
}

}  // namespace

struct MetricsServer::Connection {
  HandlePtr<uv_tcp_t> tcp;
  Instant end{};
  std::string received{};
  HttpRequest request{};
  bool asked = false;  // the request is complete, or refused; what comes then is thrown away
};

// Lives until libuv has done with it, also beyond its connection.
struct MetricsServer::Write {
  uv_write_t request{};
  std::string head;
  Text body;
};

tl::expected<ListenSockets, std::string> open_metrics_socket(const MetricsSettings& settings,
                                                             InheritedSockets& inherited) {
  if (settings.port == 0) return ListenSockets{};
  ListenSettings listen;
  listen.addresses = {settings.address};
  listen.port = settings.port;
  listen.backlog = backlog;
  auto sockets = bind_listen_sockets(listen, 1, inherited);
  if (!sockets) return sockets;
  if (auto listening = listen_on(*sockets, listen.backlog); !listening)
    return tl::unexpected(listening.error());
  return sockets;
}

MetricsServer::MetricsServer(ListenSockets sockets, Mailbox<ControlMail>& control)
    : control_(control),
      sockets_(std::move(sockets)),
      mailbox_(loop_.get(), [this] { on_mail(); }),
      measures_{.parts = {.measures = true}},
      pulse_{.parts = {.quick = true}},
      read_buffer_(most_request_bytes, '\0'),
      thread_([this](const std::stop_token& stop_asked) { run(stop_asked); }) {}

MetricsServer::~MetricsServer() { stop(); }

void MetricsServer::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void MetricsServer::run(const std::stop_token& stop_asked) {
  timer_ = make_handle<uv_timer_t>(this, [&](uv_timer_t* h) { return uv_timer_init(loop_.get(), h); });
  uv_timer_start(
      timer_.get(), [](uv_timer_t* h) { static_cast<MetricsServer*>(h->data)->on_second(); }, look_period_ms,
      look_period_ms);
  listen();
  const std::stop_callback wake(stop_asked, [this] { mailbox_.wake(); });
  while (!stop_asked.stop_requested()) uv_run(loop_.get(), UV_RUN_ONCE);
  connections_.clear();
  listeners_.clear();
  timer_.reset();
  mailbox_.close();
  loop_.finish(std::chrono::seconds(1));
}

void MetricsServer::listen() {
  for (ListenSocket& own : sockets_.workers.front()) {
    auto tcp = make_handle<uv_tcp_t>(this, [&](uv_tcp_t* h) { return uv_tcp_init(loop_.get(), h); });
    if (uv_tcp_open(tcp.get(), own.socket.get()) < 0) continue;
    own.socket.release();
    uv_listen(stream_of(tcp.get()), backlog, [](uv_stream_t* listener, int failed) {
      if (failed == 0) static_cast<MetricsServer*>(listener->data)->accept(listener);
    });
    listeners_.push_back(std::move(tcp));
  }
}

void MetricsServer::accept(uv_stream_t* listener) {
  auto connection = std::make_unique<Connection>();
  connection->tcp = make_handle<uv_tcp_t>(this, [&](uv_tcp_t* h) { return uv_tcp_init(loop_.get(), h); });
  if (uv_accept(listener, stream_of(connection->tcp.get())) < 0) return;
  if (connections_.size() >= most_connections) drop(*connections_.front());
  connection->end = instant_now() + connection_limit;
  uv_read_start(
      stream_of(connection->tcp.get()),
      [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
        std::string& memory = static_cast<MetricsServer*>(handle->data)->read_buffer_;
        *buffer = uv_buf_init(memory.data(), static_cast<unsigned>(memory.size()));
      },
      [](uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
        auto& self = *static_cast<MetricsServer*>(stream->data);
        const auto found = std::find_if(self.connections_.begin(), self.connections_.end(),
                                        [&](const auto& it) { return stream_of(it->tcp.get()) == stream; });
        if (found == self.connections_.end() || size == 0) return;
        if (size < 0) return self.drop(**found);
        self.on_read(**found, Bytes(buffer->base, static_cast<std::size_t>(size)));
      });
  connections_.push_back(std::move(connection));
}

void MetricsServer::drop(Connection& connection) {
  for (Gathering* gathering : {&measures_, &pulse_}) std::erase(gathering->waiting, &connection);
  std::erase_if(connections_, [&](const auto& it) { return it.get() == &connection; });
}

// Connections and questions that take too long.
void MetricsServer::on_second() {
  const Instant now = instant_now();
  while (!connections_.empty() && now >= connections_.front()->end) drop(*connections_.front());
  for (Gathering* gathering : {&measures_, &pulse_}) {
    if (gathering->ticket == 0 || now - gathering->asked < facts_limit) continue;
    gathering->ticket = 0;
    settle(*gathering);
  }
}

void MetricsServer::on_read(Connection& connection, Bytes bytes) {
  if (connection.asked) return;
  connection.received += bytes;
  HttpParse parse = parse_http(connection.received);
  if (parse.state == HttpParse::State::partial) return;
  connection.asked = true;
  connection.received = {};
  if (parse.state == HttpParse::State::refused)
    return answer(connection, parse.status, std::string(http_reason(parse.status)));
  connection.request = std::move(parse.request);
  on_request(connection, connection.request);
}

void MetricsServer::on_request(Connection& connection, const HttpRequest& request) {
  const bool measures = request.path == "/metrics";
  if (!measures && request.path != "/healthz" && request.path != "/readyz")
    return answer(connection, 404, "there are /metrics, /healthz and /readyz");
  if (request.method != "GET" && request.method != "HEAD")
    return answer(connection, 405, "only GET and HEAD are served");
  want(connection, measures ? measures_ : pulse_);
}

void MetricsServer::want(Connection& connection, Gathering& gathering) {
  const Instant now = instant_now();
  if (gathering.facts && now - gathering.got < facts_life) return serve(connection, gathering);
  gathering.waiting.push_back(&connection);
  if (gathering.ticket != 0) return;
  const std::uint64_t ticket = gathering.ticket = ++tickets_;
  gathering.asked = now;
  gathering.facts.reset();
  for (Text& text : gathering.texts) text.reset();
  control_.post(MetricsAsked{gathering.parts, [this, ticket](MetricsFacts facts) {
                               mailbox_.post({ticket, std::move(facts)});
                             }});
}

void MetricsServer::on_mail() {
  mailbox_.take(mail_);
  for (Answer& mail : mail_) {
    for (Gathering* gathering : {&measures_, &pulse_}) {
      if (mail.ticket != gathering->ticket) continue;  // too late
      gathering->ticket = 0;
      gathering->facts = std::make_shared<const MetricsFacts>(std::move(mail.facts));
      gathering->got = instant_now();
      settle(*gathering);
    }
  }
  mail_.clear();
}

void MetricsServer::settle(Gathering& gathering) {
  for (Connection* const connection : std::exchange(gathering.waiting, {})) serve(*connection, gathering);
}

void MetricsServer::serve(Connection& connection, const Gathering& gathering) {
  if (!gathering.facts) return answer(connection, 503, "control and workers do not answer");
  if (connection.request.path == "/healthz") return answer(connection, 200, "ok");
  if (connection.request.path == "/readyz") {
    const std::string why = why_not_ready(*gathering.facts);
    return why.empty() ? answer(connection, 200, "ready") : answer(connection, 503, why);
  }
  const MetricsFormat format = preferred_format(connection.request.accept);
  answer(connection, 200, content_type(format), metrics_of(measures_, format));
}

MetricsServer::Text MetricsServer::metrics_of(Gathering& gathering, MetricsFormat format) {
  Text& text = gathering.texts[static_cast<std::size_t>(format)];
  if (!text) text = std::make_shared<const std::string>(metrics_text(*gathering.facts, format));
  return text;
}

void MetricsServer::answer(Connection& connection, int status, const std::string& words) {
  answer(connection, status, plain_text, std::make_shared<const std::string>(words + "\n"));
}

void MetricsServer::answer(Connection& connection, int status, Bytes type, Text body) {
  auto* const write = new Write{.head = http_head(status, type, body->size()), .body = std::move(body)};
  write->request.data = write;
  uv_buf_t buffers[2] = {
      uv_buf_init(write->head.data(), static_cast<unsigned>(write->head.size())),
      uv_buf_init(const_cast<char*>(write->body->data()), static_cast<unsigned>(write->body->size()))};
  const unsigned parts = connection.request.method == "HEAD" ? 1 : 2;
  const int failed = uv_write(
      &write->request, stream_of(connection.tcp.get()), buffers, parts, [](uv_write_t* request, int outcome) {
        uv_stream_t* const stream = request->handle;
        delete static_cast<Write*>(request->data);
        if (outcome < 0 || uv_is_closing(reinterpret_cast<uv_handle_t*>(stream))) return;
        // The reader closes when it has all; one that does not is dropped in time. Closing first could lose
        // the answer, when bytes of the request are still unread.
        auto* const shut = new uv_shutdown_t{};
        if (uv_shutdown(shut, stream, [](uv_shutdown_t* done, int) { delete done; }) < 0) delete shut;
      });
  if (failed < 0) delete write;
}

}  // namespace pgweir
