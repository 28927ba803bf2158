#include "proxy/process.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/random.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include "admin/settings_diff.h"
#include "proxy/identity.h"
#include "proxy/net/address.h"
#include "proxy/net/control.h"
#include "proxy/net/listener.h"
#include "proxy/net/log.h"
#include "proxy/net/metrics_server.h"
#include "proxy/net/service_manager.h"
#include "proxy/net/state_file.h"
#include "proxy/net/takeover.h"
#include "proxy/net/tls_contexts.h"
#include "proxy/net/worker.h"
#include "proxy/start_settings.h"

namespace pgweir {
namespace {

// Descriptors that are neither clients nor servers.
constexpr rlim_t spare_descriptors = 100;

std::string all_texts(const SettingErrors& errors) {
  std::string text;
  for (const SettingError& error : errors) text += (text.empty() ? "" : "\n") + error.text();
  return text;
}

// 256 random bits in hexadecimal.
std::string make_secret() {
  unsigned char bytes[32];
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) std::abort();  // never for so few bytes
  std::string text;
  for (const unsigned char byte : bytes) {
    constexpr Bytes digits = "0123456789abcdef";
    text += digits[byte >> 4];
    text += digits[byte & 15u];
  }
  return text;
}

void raise_descriptor_limit(const Settings& settings, Log& log) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const auto clients = static_cast<rlim_t>(settings.pool.max_client_conn);
  if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= clients + spare_descriptors) return;
  log.write(LogLevel::warning, "the system allows " + std::to_string(limit.rlim_max) +
                                   " open files (ulimit -n), too few for pool.max_client_conn = " +
                                   std::to_string(clients) + " and the servers");
}

// A heap for each thread would keep what a burst of connections needed; fixed thresholds give it back.
void tune_malloc(int workers) {
  ::mallopt(M_ARENA_MAX, workers + 1);
  ::mallopt(M_TRIM_THRESHOLD, 256 * 1024);
  ::mallopt(M_MMAP_THRESHOLD, 256 * 1024);
}

ControlHost::Reloaded reload(const Options& options, const Settings& running, Bytes secret) {
  if (options.config.empty()) return {nullptr, {}, "there is no configuration file to read again"};
  auto loaded = start_settings(options);
  if (!loaded) {
    return {nullptr, {}, "the configuration is refused, the old one stays:\n" + all_texts(loaded.error())};
  }
  const Settings merged = merge_reloadable(running, loaded->settings);
  auto tls = TlsContexts::make(merged, secret);
  if (!tls) return {nullptr, {}, "the configuration is refused, the old one stays:\n" + tls.error()};
  std::string report = "the configuration was read again";
  const auto changes = difference(running, loaded->settings);
  if (changes.empty()) report += ": nothing differs";
  for (const SettingChange& change : changes) {
    report += "\n" + change.name + ": " + change.old_text + " -> " + change.new_text;
    if (change.needs_restart) report += ", after a restart";
  }
  for (const std::string& warning : loaded->warnings) report += "\n" + warning;
  return {std::make_shared<const Settings>(merged), std::move(*tls), report};
}

using Failure = tl::unexpected<std::string>;

// All that is bound before a thread starts, and what came with it.
struct Place {
  ServiceManager manager;
  ListenSockets clients, metrics;
  Succession succession;
};

// A descriptor of each of them, for a successor.
std::vector<Descriptor> copies_of(const std::vector<const ListenSockets*>& all, int asked) {
  std::vector<Descriptor> copies;
  const auto copy = [&copies](int fd) { copies.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); };
  for (const ListenSockets* sockets : all) {
    for (const auto& worker : sockets->workers)
      for (const ListenSocket& it : worker) copy(it.socket.get());
  }
  copy(asked);
  return copies;
}

tl::expected<void, std::string> bind_all(Place& place, const Options& options, const Settings& settings,
                                         Log& log) {
  InheritedSockets inherited = place.manager.take_sockets();
  const bool activated = !inherited.empty();
  if (options.takeover) {
    tl::expected<uid_t, std::string> user = ::geteuid();
    if (!settings.run_as.empty()) user = find_user(settings.run_as);
    if (!user) return Failure(user.error());
    auto predecessor = Predecessor::find(settings.listen, *user);
    if (!predecessor) return Failure(predecessor.error());
    if (predecessor->found()) {
      if (auto taken = predecessor->take_sockets(inherited); !taken) return taken;
      log.write(LogLevel::info, "taking over from the process that serves");
    } else {
      log.write(LogLevel::info, "nobody serves: nothing to take over");
    }
    place.succession.predecessor = std::move(*predecessor);
  }
  auto metrics = open_metrics_socket(settings.metrics, inherited);
  if (!metrics) return Failure("metrics: " + metrics.error());
  place.metrics = std::move(*metrics);
  if (activated) {
    place.clients = adopt_listen_sockets(settings.workers, inherited);
    place.succession.lasting = true;
    log.write(LogLevel::info, "the sockets are those of the service manager; [listen] does not count");
    return {};
  }
  auto clients = bind_listen_sockets(settings.listen, settings.workers, inherited);
  if (!clients) return Failure(clients.error());
  place.clients = std::move(*clients);

  const std::string path = Predecessor::path_of(settings.listen);
  if (path.empty()) return {};
  UnixSocket& asked = place.succession.asked;
  if (auto found = inherited.take(path); !found.empty()) {
    asked = {std::move(found.front().descriptor), {}};
  } else {
    auto bound = bind_unix_socket(path, SOCK_SEQPACKET, 0600);
    if (!bound) return Failure("cannot listen on Unix socket \"" + path + "\": " + bound.error());
    asked = std::move(*bound);
  }
  place.succession.sockets = copies_of({&place.clients, &place.metrics}, asked.socket.get());
  return {};
}

tl::expected<void, std::string> listen_all(const Place& place, const Settings& settings) {
  const int backlog = settings.listen.backlog;
  if (auto listening = listen_on(place.clients, backlog); !listening) return listening;
  const Descriptor& asked = place.succession.asked.socket;
  if (asked.valid() && ::listen(asked.get(), backlog) != 0) return Failure("cannot listen to be taken over");
  return {};
}

void greet(const Options& options, const LoadedSettings& loaded, const Place& place, Log& log) {
  const int workers = loaded.settings.workers;
  log.write(LogLevel::info, "pgweir " PGWEIR_VERSION " starts with " + std::to_string(workers) +
                                (workers == 1 ? " worker" : " workers"));
  for (const std::string& warning : loaded.warnings) log.write(LogLevel::warning, warning);
  if (options.config.empty()) {
    const DatabaseSettings& all = *loaded.settings.find_database("*");
    std::string hosts;
    for (const std::string& host : all.hosts) hosts += (hosts.empty() ? "" : ", ") + host;
    log.write(LogLevel::info,
              "every database is forwarded to " + hosts + " port " + std::to_string(all.ports.front()));
    log.write(
        LogLevel::warning,
        "no configuration: authentication is off, who can connect can be anybody; to change that, write "
        "one with: pgweir --print-config > pgweir.toml, and start: pgweir --config pgweir.toml");
  }
  for (const std::string& name : place.clients.names) log.write(LogLevel::info, "listening on " + name);
  for (const std::string& name : place.metrics.names)
    log.write(LogLevel::info, "serving metrics on http://" + name + "/metrics");
}

// The files of Unix sockets, which must be those of the user that the process becomes.
std::vector<std::string> socket_files(const ListenSettings& settings) {
  if (settings.unix_socket_dir.empty()) return {};
  return {unix_socket_path(settings.unix_socket_dir, settings.port), Predecessor::path_of(settings)};
}

int serve(const Options& options, const LoadedSettings& loaded) {
  const auto settings = std::make_shared<const Settings>(loaded.settings);
  Log log(settings->log);
  const auto fail = [&log](const std::string& why, int status) {
    log.write(LogLevel::error, why);
    return status;
  };
  raise_descriptor_limit(*settings, log);
  Place place;
  if (const auto bound = bind_all(place, options, *settings, log); !bound)
    return fail(bound.error(), status_failed);
  if (!settings->run_as.empty()) {
    if (const auto become = become_user(settings->run_as, socket_files(settings->listen)); !become)
      return fail(become.error(), status_failed);
  }
  const std::string secret = make_secret();
  const auto tls = TlsContexts::make(*settings, secret);
  if (!tls) return fail(tls.error(), status_refused);
  PidFile pid_file;
  if (!settings->pidfile.empty()) {
    if (const auto written = pid_file.write(settings->pidfile, place.succession.predecessor.found());
        !written)
      return fail(written.error(), status_failed);
  }
  // Who can connect finds all else in place, and a signal from then on is for Control to handle.
  Control::hold_signals();
  if (const auto listening = listen_all(place, *settings); !listening)
    return fail(listening.error(), status_failed);
  greet(options, loaded, place, log);

  const Duration wall_offset = wall_offset_now();
  std::unique_ptr<StateFile> state_file;
  if (!settings->state_file.empty()) {
    Predecessor& predecessor = place.succession.predecessor;
    if (predecessor.found() && !predecessor.release_state())
      log.write(LogLevel::warning, "the process that serves does not give up its state file");
    state_file = StateFile::open(settings->state_file, wall_offset, log);
  }
  std::optional<MetricsServer> metrics;
  SocketFile& client_file = place.clients.file;
  if (const auto files = socket_files(settings->listen);
      place.succession.predecessor.found() && !files.empty()) {
    // From here on nothing can fail: they are ours.
    client_file = SocketFile::of(files.front());
    place.succession.asked.file = SocketFile::of(files.back());
  }
  place.succession.let_go = [&metrics, &client_file] {
    if (metrics) metrics->stop();
    client_file.forget();
  };
  Mailboxes mailboxes;
  Control control(
      mailboxes, log, settings, [&](const Settings& running) { return reload(options, running, secret); },
      std::move(state_file), wall_offset, std::move(place.succession), place.manager);
  mailboxes.control = &control.mailbox();
  std::vector<std::unique_ptr<Worker>> workers;
  for (auto& own : place.clients.workers) {
    const WorkerId id{static_cast<std::uint32_t>(workers.size())};
    workers.push_back(std::make_unique<Worker>(id, std::move(own), mailboxes, log, settings, *tls, secret));
    mailboxes.workers.push_back(&workers.back()->mailbox());
  }
  for (const auto& worker : workers) worker->start();
  if (!place.metrics.names.empty()) metrics.emplace(std::move(place.metrics), control.mailbox());
  control.run();
  metrics.reset();

  for (const auto& worker : workers) worker->stop();
  bool finished = true;
  for (const auto& worker : workers) {
    worker->join();
    finished = worker->finished() && finished;
  }
  client_file = {};
  log.settle();
  log.write(LogLevel::info, "stopped");
  // A look-up of a name that hangs still uses its worker's memory, and exit() would wait for it.
  if (!finished) std::_Exit(0);
  return 0;
}

}  // namespace

int run_process(const Options& options) {
  // Rather gone, and started anew by whoever watches, than half alive.
  std::set_new_handler([] {
    constexpr Bytes words = "pgweir: the system gives no more memory: the process ends\n";
    if (::write(STDERR_FILENO, words.data(), words.size()) < 0) std::abort();
    std::_Exit(status_failed);
  });
  // A write to a closed connection is an error of that connection.
  std::signal(SIGPIPE, SIG_IGN);
  const auto loaded = start_settings(options);
  if (!loaded) {
    std::fprintf(stderr, "%s\n", all_texts(loaded.error()).c_str());
    return status_refused;
  }
  tune_malloc(loaded->settings.workers);
  return serve(options, *loaded);
}

int check_config(const Options& options) {
  const auto loaded = start_settings(options);
  if (!loaded) {
    std::fprintf(stderr, "%s\n", all_texts(loaded.error()).c_str());
    return status_refused;
  }
  if (const auto tls = TlsContexts::make(loaded->settings, make_secret()); !tls) {
    std::fprintf(stderr, "%s: %s\n", options.config.c_str(), tls.error().c_str());
    return status_refused;
  }
  for (const std::string& warning : loaded->warnings) std::printf("%s\n", warning.c_str());
  std::printf("%s: ok\n", options.config.c_str());
  return 0;
}

}  // namespace pgweir
