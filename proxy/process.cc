#include "proxy/process.h"

#include <malloc.h>
#include <sys/random.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include "admin/settings_diff.h"
#include "proxy/net/control.h"
#include "proxy/net/listener.h"
#include "proxy/net/log.h"
#include "proxy/net/metrics_server.h"
#include "proxy/net/state_file.h"
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

void greet(const Options& options, const LoadedSettings& loaded, const ListenSockets& sockets, Log& log) {
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
  for (const std::string& name : sockets.names) log.write(LogLevel::info, "listening on " + name);
}

int serve(const Options& options, const LoadedSettings& loaded) {
  const auto settings = std::make_shared<const Settings>(loaded.settings);
  Log log(settings->log);
  raise_descriptor_limit(*settings, log);
  const std::string secret = make_secret();
  const auto tls = TlsContexts::make(*settings, secret);
  if (!tls) {
    log.write(LogLevel::error, tls.error());
    return status_refused;
  }
  auto metrics_socket = open_metrics_socket(settings->metrics);
  if (!metrics_socket) {
    log.write(LogLevel::error, "metrics: " + metrics_socket.error());
    return status_failed;
  }
  auto sockets = bind_listen_sockets(settings->listen, settings->workers);
  if (!sockets) {
    log.write(LogLevel::error, sockets.error());
    return status_failed;
  }
  // Who can connect finds all else in place, and a signal from then on is for Control to handle.
  Control::hold_signals();
  if (const auto listening = listen_on(*sockets, settings->listen.backlog); !listening) {
    log.write(LogLevel::error, listening.error());
    return status_failed;
  }
  greet(options, loaded, *sockets, log);
  for (const std::string& name : metrics_socket->names)
    log.write(LogLevel::info, "serving metrics on http://" + name + "/metrics");

  const Duration wall_offset = wall_offset_now();
  std::unique_ptr<StateFile> state_file;
  if (!settings->state_file.empty()) state_file = StateFile::open(settings->state_file, wall_offset, log);
  Mailboxes mailboxes;
  Control control(
      mailboxes, log, settings, [&](const Settings& running) { return reload(options, running, secret); },
      state_file.get(), wall_offset);
  mailboxes.control = &control.mailbox();
  std::vector<std::unique_ptr<Worker>> workers;
  for (auto& own : sockets->workers) {
    const WorkerId id{static_cast<std::uint32_t>(workers.size())};
    workers.push_back(std::make_unique<Worker>(id, std::move(own), mailboxes, log, settings, *tls, secret));
    mailboxes.workers.push_back(&workers.back()->mailbox());
  }
  for (const auto& worker : workers) worker->start();
  std::optional<MetricsServer> metrics;
  if (!metrics_socket->names.empty()) metrics.emplace(std::move(*metrics_socket), control.mailbox());
  control.run();
  metrics.reset();

  for (const auto& worker : workers) worker->stop();
  bool finished = true;
  for (const auto& worker : workers) {
    worker->join();
    finished = worker->finished() && finished;
  }
  sockets->file = {};
  state_file.reset();
  log.settle();
  log.write(LogLevel::info, "stopped");
  // A look-up of a name that hangs still uses its worker's memory, and exit() would wait for it.
  if (!finished) std::_Exit(0);
  return 0;
}

}  // namespace

int run_process(const Options& options) {
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
