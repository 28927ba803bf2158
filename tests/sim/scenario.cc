#include "tests/sim/scenario.h"

#include <algorithm>
#include <array>

#include "admin/settings_table.h"

namespace pgweir::sim {

using namespace std::chrono_literals;

namespace {

constexpr std::array<const char*, 2> databases{"shop", "bank"};
constexpr std::array<const char*, 2> users{"alice", "bob"};

// Settings as an operator might choose them, and as none would.
Settings draw_settings(SeededRandom& random, int workers, ServerAuth auth) {
  Settings settings = settings_by_default();
  settings.pool.late_begin = random.chance(700);
  settings.pool.max_prepared_statements = random.pick<int>({1, 2, 5, 200});
  settings.workers = workers > 0 ? workers : random.between(1, 4);
  settings.auth.type = AuthType::trust;
  settings.auth.server_allow_cleartext = true;
  settings.auth.scram_iterations = 1;
  settings.auth.server_max_scram_iterations = 100000;
  settings.log.connections = settings.log.disconnections = settings.log.pooler_errors = true;
  settings.log.level = LogLevel::debug;
  settings.advice.target_wait = 5ms;
  settings.server_tls.mode = random.pick<TlsMode>({TlsMode::disable, TlsMode::prefer});

  PoolSettings& pool = settings.pool;
  pool.default_pool_size = random.between(1, random.chance(500) ? 2 : 8);
  pool.min_pool_size = random.chance(200) ? random.between(1, 2) : 0;
  pool.reserve_pool_size = random.chance(300) ? random.between(1, 2) : 0;
  pool.reserve_pool_timeout = random.pick<Duration>({0ms, 20ms, 2s});
  pool.max_db_connections = random.chance(200) ? random.between(1, 6) : 0;
  pool.max_user_connections = random.chance(200) ? random.between(1, 6) : 0;
  pool.max_client_conn = random.chance(80) ? random.between(2, 6) : 100;
  pool.query_wait_timeout = random.pick<Duration>({0ms, 120s, 120s, 50ms, 1s});
  pool.server_idle_timeout = random.pick<Duration>({0ms, 10ms, 500ms, 60s, 600s});
  pool.server_lifetime = random.pick<Duration>({0ms, 100ms, 2s, 3600s, 3600s});
  pool.server_connect_timeout = random.pick<Duration>({500ms, 2s, 15s});
  pool.server_login_retry = random.pick<Duration>({10ms, 200ms, 2s});
  pool.client_login_timeout = random.chance(100) ? Duration(2s) : Duration(60s);
  pool.cancel_wait_timeout = random.pick<Duration>({500ms, 10s, 10s});

  DatabaseSettings any;
  any.name = "*";
  any.hosts = {"10.0.0.5"};
  any.ports = {5432};
  settings.databases["*"] = any;
  if (random.chance(500)) {
    DatabaseSettings shop = any;
    shop.name = "shop";
    shop.pool_size = random.between(1, 4);
    if (random.chance(300)) shop.reserve_pool_size = random.between(0, 2);
    settings.databases["shop"] = shop;
  }
  for (const char* name : users) {
    UserSettings user;
    user.name = name;
    if (auth != ServerAuth::trust) user.password = SimPostgres::password_of(name);
    settings.users[name] = user;
  }
  return settings;
}

ConnectionLimits limits_of(const Settings& settings) {
  ConnectionLimits limits{
      .pool = {}, .database = settings.pool.max_db_connections, .user = settings.pool.max_user_connections};
  for (const char* name : databases) {
    const DatabaseSettings& database = *settings.find_database(name);
    limits.pool[name] = database.pool_size.value_or(settings.pool.default_pool_size) +
                        database.reserve_pool_size.value_or(settings.pool.reserve_pool_size);
  }
  return limits;
}

Weather draw_weather(SeededRandom& random) {
  return {.latency = random.pick<Duration>({0us, 50us, 500us, 5ms}),
          .buffer = random.pick<std::size_t>({200, 2000, 16384, 65536, 262144}),
          .split = random.pick(
              {Weather::Split::whole, Weather::Split::random, Weather::Split::random, Weather::Split::tiny})};
}

// Swarm: about a third of the seeds have no faults at all, and the others some kinds of them.
Faults draw_faults(SeededRandom& random) {
  if (random.chance(350)) return {};
  const auto some = [&] { return random.chance(300); };
  Faults faults{.every = random.pick<Duration>({20ms, 100ms, 500ms})};
  faults.cut_clients = some();
  faults.cut_servers = some();
  faults.stalls = random.chance(500);
  faults.kill_backends = some();
  faults.crashes = random.chance(150);
  faults.few_connections = random.chance(100);
  if (some()) faults.refuse_of_thousand = static_cast<unsigned>(random.between(20, 400));
  if (random.chance(150)) faults.silent_of_thousand = static_cast<unsigned>(random.between(20, 200));
  if (random.chance(150)) faults.login_stall_of_thousand = static_cast<unsigned>(random.between(20, 200));
  return faults;
}

std::vector<ClientTraits> draw_clients(SeededRandom& random, const Weather& weather) {
  std::vector<ClientTraits> clients;
  const int count = random.between(2, 10);
  const bool two_databases = random.chance(400), two_users = random.chance(300);
  const bool large = weather.buffer >= 2000 && weather.split != Weather::Split::tiny && random.chance(600);
  const unsigned prepares = random.pick<unsigned>({0, 500, 1000}),
                 keeps = random.pick<unsigned>({0, 300, 800}), listens = random.pick<unsigned>({0, 0, 600});
  const unsigned rude = random.pick<unsigned>({0, 200, 600}), cancels = random.pick<unsigned>({0, 300, 600});
  for (int i = 1; i <= count; ++i) {
    ClientTraits traits{.id = i, .database = databases[0], .user = users[0]};
    if (two_databases) traits.database = databases[random.below(databases.size())];
    if (two_users) traits.user = users[random.below(users.size())];
    traits.units = random.between(4, 16);
    traits.slow_reader = random.chance(100);
    traits.rude = random.chance(rude);
    traits.style = {.cancels = random.chance(cancels),
                    .large = large && !traits.slow_reader,
                    .pipelines = random.chance(600),
                    .prepares = random.chance(prepares),
                    .listens = random.chance(listens),
                    .keeps_state = random.chance(keeps),
                    .think = random.pick<Duration>({1ms, 10ms, 50ms})};
    traits.style.early_syncs =
        !traits.style.cancels && !traits.style.prepares && !traits.style.keeps_state && !traits.style.listens;
    clients.push_back(std::move(traits));
  }
  return clients;
}

// Pools so large that several workers share them (pool/placement.h), and the clients to fill them.
void draw_crowd(SeededRandom& random, const ScenarioWish& wish, Settings& settings, Scenario& scenario) {
  const auto size = [&] { return random.between(16, 40); };
  settings.workers = wish.workers > 0 ? wish.workers : random.between(2, 4);
  PoolSettings& pool = settings.pool;
  pool.default_pool_size = size();
  pool.min_pool_size = random.chance(200) ? random.between(1, 20) : 0;
  pool.reserve_pool_size = random.chance(400) ? random.between(1, 4) : 0;
  pool.max_db_connections = random.chance(200) ? random.between(12, 40) : 0;
  pool.max_user_connections = random.chance(200) ? random.between(12, 40) : 0;
  pool.max_client_conn = 1000;
  if (const auto shop = settings.databases.find("shop"); shop != settings.databases.end())
    shop->second.pool_size = size();
  scenario.drift = random.pick<Duration>({0ms, 20ms, 100ms, 500ms});
  std::vector<ClientTraits> clients;
  const int count = random.between(18, 48);
  for (int i = 1; i <= count; ++i) {
    ClientTraits traits = scenario.clients[random.below(scenario.clients.size())];
    traits.id = i;
    traits.units = random.between(1, 5);
    clients.push_back(std::move(traits));
  }
  scenario.clients = std::move(clients);
}

// Pools grow and shrink while they are used, also to where no pool is shared any more.
void draw_reloads(SeededRandom& random, const Settings& settings, Scenario& scenario) {
  for (int count = random.chance(600) ? random.between(1, 3) : 0; count > 0; --count) {
    auto next = std::make_shared<Settings>(settings);
    const auto size = [&] { return random.chance(300) ? random.between(1, 15) : random.between(16, 40); };
    next->pool.default_pool_size = size();
    if (const auto shop = next->databases.find("shop"); shop != next->databases.end())
      shop->second.pool_size = size();
    next->pool.reserve_pool_size = random.chance(400) ? random.between(1, 4) : 0;
    scenario.reloads.push_back({.at = random.up_to(random.pick<Duration>({50ms, 500ms, 3s})),
                                .settings = next,
                                .limits = limits_of(*next)});
  }
  std::sort(scenario.reloads.begin(), scenario.reloads.end(),
            [](const Reload& a, const Reload& b) { return a.at < b.at; });
}

// Limits that are met now and then.
void draw_time_limits(SeededRandom& random, Settings& settings, Scenario& scenario) {
  PoolSettings& pool = settings.pool;
  pool.query_wait_notify = random.pick<Duration>({0ms, 5s, 20ms});
  if (!random.chance(250)) return;
  pool.query_timeout = random.pick<Duration>({0ms, 30ms, 100ms, 300ms});
  pool.transaction_timeout = random.pick<Duration>({0ms, 0ms, 50ms, 200ms, 500ms});
  pool.idle_transaction_timeout = random.pick<Duration>({0ms, 0ms, 20ms, 200ms});
  pool.client_idle_timeout = random.pick<Duration>({0ms, 0ms, 30ms, 500ms});
  // Some of them by the sections of databases and users, whose values count before.
  if (random.chance(300)) {
    for (auto& [name, user] : settings.users) {
      user.query_timeout = pool.query_timeout;
      user.client_idle_timeout = pool.client_idle_timeout;
    }
    for (auto& [name, database] : settings.databases) {
      database.query_timeout = 1ms;
      database.transaction_timeout = pool.transaction_timeout;
    }
    scenario.rules.query = pool.query_timeout;
    scenario.rules.transaction = pool.transaction_timeout;
    scenario.rules.client_idle = pool.client_idle_timeout;
    pool.query_timeout = pool.transaction_timeout = pool.client_idle_timeout = 1ms;
  } else {
    scenario.rules.query = pool.query_timeout;
    scenario.rules.transaction = pool.transaction_timeout;
    scenario.rules.client_idle = pool.client_idle_timeout;
  }
  scenario.rules.idle_transaction = pool.idle_transaction_timeout;
  for (ClientTraits& traits : scenario.clients) {
    traits.style.limited = true;
    // A cancel while an early Sync is on its way is not modelled.
    traits.style.early_syncs = false;
  }
}

}  // namespace

Scenario draw_scenario(const ScenarioWish& wish) {
  // Its own generator, so that a change in the world's use of chance leaves the scenario of a seed as it is.
  SeededRandom random(wish.seed ^ 0x5ce4a210);
  Scenario scenario;
  scenario.seed = wish.seed;
  scenario.direct = wish.direct;
  scenario.auth = random.pick({ServerAuth::trust, ServerAuth::trust, ServerAuth::cleartext, ServerAuth::md5});
  if (wish.direct) scenario.auth = ServerAuth::trust;
  const auto settings = std::make_shared<Settings>(draw_settings(random, wish.workers, scenario.auth));
  scenario.settings = settings;
  scenario.weather = draw_weather(random);
  scenario.mail_latency = random.pick<Duration>({0us, 20us, 1ms});
  scenario.faults = draw_faults(random);
  scenario.until =
      wish.until > Duration::zero() ? wish.until : std::chrono::milliseconds(random.between(500, 4000));
  scenario.clients = draw_clients(random, scenario.weather);
  // Drawn apart, as said above.
  SeededRandom crowds(wish.seed ^ 0xc403d), times(wish.seed ^ 0x71e5);
  const bool crowd = !wish.direct && crowds.chance(150);
  if (crowd) draw_crowd(crowds, wish, *settings, scenario);
  if (!wish.direct) draw_time_limits(times, *settings, scenario);
  if (crowd) draw_reloads(crowds, *settings, scenario);
  // So are these.
  SeededRandom limits(wish.seed ^ 0x9e0e);
  settings->pool.server_check_delay = limits.pick<Duration>({0ms, 0ms, 20ms, 30s});
  settings->pool.server_check_query = limits.pick<const char*>({"<empty>", "<empty>", "", "show TimeZone"});
  settings->pool.max_queue = limits.chance(200) ? limits.between(1, 5) : 0;
  if (limits.chance(40)) settings->pool.max_db_client_connections = limits.between(2, 6);
  if (limits.chance(40)) settings->pool.max_user_client_connections = limits.between(2, 6);
  for (Reload& reload : scenario.reloads) {
    auto next = std::make_shared<Settings>(*reload.settings);
    next->pool.max_queue = settings->pool.max_queue;
    next->pool.server_check_delay = limits.pick<Duration>({0ms, 30s});
    next->pool.server_check_query = settings->pool.server_check_query;
    next->pool.max_db_client_connections = settings->pool.max_db_client_connections;
    next->pool.max_user_client_connections =
        limits.chance(500) ? settings->pool.max_user_client_connections : limits.between(2, 8);
    reload.settings = next;
  }
  scenario.limits = limits_of(*settings);

  ClientRules& rules = scenario.rules;
  rules.direct = wish.direct;
  rules.servers_fail = scenario.faults.any_server();
  rules.clients_fail = scenario.faults.cut_clients;
  rules.waits_end = (settings->pool.query_wait_timeout > 0ms && settings->pool.query_wait_timeout < 60s) ||
                    settings->pool.max_queue > 0;
  rules.logins_refused = settings->pool.max_client_conn < 20 ||
                         settings->pool.max_db_client_connections > 0 ||
                         settings->pool.max_user_client_connections > 0 || !scenario.reloads.empty() ||
                         settings->pool.client_login_timeout < 30s || rules.waits_end;
  rules.wait_notify = settings->pool.query_wait_notify;
  const bool slow = std::any_of(scenario.clients.begin(), scenario.clients.end(),
                                [](const ClientTraits& traits) { return traits.slow_reader; });
  rules.limits_on_time = !rules.servers_fail && !scenario.faults.stalls && !slow &&
                         scenario.weather.split != Weather::Split::tiny && scenario.weather.buffer >= 16384;
  if (wish.direct) scenario.limits = {};
  return scenario;
}

std::string describe(const Scenario& scenario) {
  const PoolSettings& pool = scenario.settings->pool;
  const Faults& faults = scenario.faults;
  const auto ms = [](Duration d) { return std::to_string(micros(d) / 1000) + "ms"; };
  std::string text =
      std::to_string(scenario.clients.size()) + " clients, " + std::to_string(scenario.settings->workers) +
      " workers, pool " +
      std::to_string(scenario.settings->find_database("shop")->pool_size.value_or(pool.default_pool_size)) +
      "/" + std::to_string(pool.default_pool_size) + ", reserve " + std::to_string(pool.reserve_pool_size) +
      ", min " + std::to_string(pool.min_pool_size) + ", db max " + std::to_string(pool.max_db_connections) +
      ", user max " + std::to_string(pool.max_user_connections) + ", clients max " +
      std::to_string(pool.max_client_conn) + "/" + std::to_string(pool.max_db_client_connections) + "/" +
      std::to_string(pool.max_user_client_connections) + ", queue max " + std::to_string(pool.max_queue) +
      ", check \"" + pool.server_check_query + "\" after " + ms(pool.server_check_delay) +
      ", statements max " + std::to_string(pool.max_prepared_statements) +
      (pool.late_begin ? ", late BEGIN" : "") + ", wait " + ms(pool.query_wait_timeout) + ", idle " +
      ms(pool.server_idle_timeout) + ", lifetime " + ms(pool.server_lifetime) + ", connect " +
      ms(pool.server_connect_timeout) + ", latency " + std::to_string(micros(scenario.weather.latency)) +
      "us, buffers " + std::to_string(scenario.weather.buffer) + ", split " +
      std::to_string(static_cast<int>(scenario.weather.split)) + ", auth " +
      std::to_string(static_cast<int>(scenario.auth)) + ", faults";
  if (faults.cut_clients) text += " cut-clients";
  if (faults.cut_servers) text += " cut-servers";
  if (faults.stalls) text += " stalls";
  if (faults.kill_backends) text += " kills";
  if (faults.crashes) text += " crashes";
  if (faults.few_connections) text += " few-connections";
  if (faults.refuse_of_thousand > 0) text += " refused-dials";
  if (faults.silent_of_thousand > 0) text += " silent-dials";
  if (faults.login_stall_of_thousand > 0) text += " stalled-logins";
  const ClientRules& rules = scenario.rules;
  if (rules.query > 0ms) text += ", query_timeout " + ms(rules.query);
  if (rules.transaction > 0ms) text += ", transaction_timeout " + ms(rules.transaction);
  if (rules.idle_transaction > 0ms) text += ", idle_transaction_timeout " + ms(rules.idle_transaction);
  if (rules.client_idle > 0ms) text += ", client_idle_timeout " + ms(rules.client_idle);
  for (const Reload& reload : scenario.reloads)
    text += ", pool " + std::to_string(reload.limits.pool.at("shop")) + "/" +
            std::to_string(reload.limits.pool.at("bank")) + " with reserve after " + ms(reload.at);
  return text + " until " + ms(scenario.until);
}

}  // namespace pgweir::sim
