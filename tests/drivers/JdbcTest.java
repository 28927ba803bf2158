// The JDBC driver with its defaults: extended protocol, a PreparedStatement that is kept becomes a named statement
// of the server at its fifth execution, and its results binary. Named checks as in checks.py: each runs for all
// clients at the same time; a client keeps its connection from check to check, and gets a new one after a failure.

import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

public class JdbcTest {
  static final int CLIENTS = 20;
  static final int ROUNDS = 8; // more than the driver's threshold for preparing
  static final int PATIENCE = 60; // seconds for one check of all clients; only a broken one needs them
  static final boolean THROUGH_PGWEIR = "pgweir".equals(System.getenv("PGWEIR_TARGET"));

  // ---- the frame ----

  static class Client {
    final int number;
    Connection conn;
    Gate gate;
    private int count = 0;

    Client(int number) { this.number = number; }
    String tag() { return "client" + number + "-" + ++count; }
    long key() { return number * 1_000_000L + ++count; }
    void await() throws Exception { gate.await(); }
  }

  // Opens when all clients wait at it, again and again, until it is broken. (A CyclicBarrier forgets that it was.)
  static class Gate {
    private int waiting = 0, opened = 0;
    private boolean broken = false;

    synchronized void await() throws Exception {
      int mine = opened;
      if (++waiting == CLIENTS) {
        waiting = 0;
        ++opened;
        notifyAll();
      }
      while (opened == mine && !broken) wait();
      if (opened == mine) throw new BrokenBarrierException();
    }

    synchronized void break_() {
      broken = true;
      notifyAll();
    }
  }

  interface Check { void run(Client client) throws Exception; }
  interface Action { void run() throws Exception; }

  record Failure(int client, Throwable error) {}

  static final Client[] clients = new Client[CLIENTS];
  static final Set<String> only = new LinkedHashSet<>();
  static int passed = 0, failed = 0;

  static void check(String name, Check check) throws InterruptedException {
    if (!only.isEmpty() && !only.contains(name)) return;
    long started = System.nanoTime();
    var failures = new ConcurrentLinkedQueue<Failure>();
    var gate = new Gate();
    var threads = new ArrayList<Thread>();
    for (Client client : clients) {
      var thread = new Thread(() -> {
        client.gate = gate;
        try {
          if (client.conn == null) client.conn = connect();
          check.run(client);
        } catch (Throwable error) {
          gate.break_(); // the others are not to wait for one that failed
          if (!(error instanceof BrokenBarrierException)) failures.add(new Failure(client.number, error));
          Connection broken = client.conn;
          client.conn = null;
          try {
            if (broken != null) broken.close();
          } catch (SQLException ignored) {
            // it is broken already
          }
        }
      });
      thread.setDaemon(true);
      thread.start();
      threads.add(thread);
    }
    for (Thread thread : threads) {
      thread.join(PATIENCE * 1000);
      if (thread.isAlive()) {
        ++failed;
        Failure first = failures.peek();
        System.out.println("FAIL jdbc " + name + ": not done after " + PATIENCE + " seconds"
            + (first == null ? "" : "; client " + first.client + ": " + describe(first.error))
            + "; the checks after it did not run");
        end();
      }
    }
    if (failures.isEmpty()) {
      ++passed;
      System.out.printf("PASS jdbc %s (%.1f s)%n", name, (System.nanoTime() - started) / 1e9);
    } else {
      ++failed;
      Failure first = failures.peek();
      System.out.println("FAIL jdbc " + name + ": " + failures.size() + " clients, as client " + first.client + ": "
          + describe(first.error));
      if (System.getenv("CHECKS_TRACE") != null) first.error.printStackTrace(System.out);
    }
  }

  static void end() {
    System.out.println("jdbc: " + passed + " passed, " + failed + " failed");
    System.out.flush();
    Runtime.getRuntime().halt(failed > 0 || passed == 0 ? 1 : 0);
  }

  static String describe(Throwable error) {
    String text = String.valueOf(error).replaceAll("\\s+", " ");
    for (StackTraceElement at : error.getStackTrace()) {
      if (at.getClassName().startsWith("JdbcTest") && !at.getMethodName().matches("equal|expect|isTrue")) {
        return text + " (line " + at.getLineNumber() + ")";
      }
    }
    return text;
  }

  static void equal(Object got, Object wanted) {
    if (!Objects.equals(got, wanted)) throw new AssertionError("got " + shorten(got) + ", wanted " + shorten(wanted));
  }

  static void isTrue(boolean holds, String what) {
    if (!holds) throw new AssertionError(what);
  }

  static String shorten(Object value) {
    String text = String.valueOf(value);
    return text.length() <= 200 ? text : text.substring(0, 200) + "... (" + text.length() + " characters)";
  }

  // The action must fail with this SQLSTATE.
  static void expect(String state, Action action) throws Exception {
    try {
      action.run();
    } catch (SQLException error) {
      SQLException cause = error instanceof BatchUpdateException && error.getNextException() != null
          ? error.getNextException() : error;
      if (!state.equals(cause.getSQLState())) {
        throw new AssertionError("got error " + cause.getSQLState() + " (" + describe(cause) + "), wanted " + state);
      }
      return;
    }
    throw new AssertionError("no error, wanted " + state);
  }

  // ---- the database ----

  static Connection connect(String... properties) throws SQLException {
    var all = new Properties();
    all.setProperty("user", System.getenv("PGUSER"));
    all.setProperty("password", System.getenv("PGPASSWORD"));
    for (int i = 0; i < properties.length; i += 2) all.setProperty(properties[i], properties[i + 1]);
    return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT")
        + "/" + System.getenv("PGDATABASE"), all);
  }

  static void run(Connection conn, String sql) throws SQLException {
    try (Statement statement = conn.createStatement()) {
      statement.execute(sql);
    }
  }

  static List<Object> row(PreparedStatement statement, Object... values) throws SQLException {
    for (int i = 0; i < values.length; ++i) statement.setObject(i + 1, values[i]);
    try (ResultSet result = statement.executeQuery()) {
      isTrue(result.next(), "no row");
      var row = new ArrayList<Object>();
      for (int i = 1; i <= result.getMetaData().getColumnCount(); ++i) row.add(result.getObject(i));
      isTrue(!result.next(), "more than one row");
      return row;
    }
  }

  static Object value(Connection conn, String sql, Object... values) throws SQLException {
    try (PreparedStatement statement = conn.prepareStatement(sql)) {
      return row(statement, values).get(0);
    }
  }

  static int update(Connection conn, String sql, Object... values) throws SQLException {
    try (PreparedStatement statement = conn.prepareStatement(sql)) {
      for (int i = 0; i < values.length; ++i) statement.setObject(i + 1, values[i]);
      return statement.executeUpdate();
    }
  }

  static final String INSERT = "insert into items values (?, ?, ?)";

  // ---- the checks ----

  static final Set<Object> pids = ConcurrentHashMap.newKeySet();

  static void connectAndAsk(Client client) throws Exception {
    isTrue(client.conn.getMetaData().getDatabaseMajorVersion() >= 15, "server_version");
    for (int i = 0; i < ROUNDS; ++i) {
      String tag = client.tag();
      try (Statement statement = client.conn.createStatement(); ResultSet result = statement.executeQuery("select '" + tag + "'")) {
        isTrue(result.next(), "no row");
        equal(result.getString(1), tag);
      }
      pids.add(value(client.conn, "select pg_backend_pid()"));
    }
    client.await();
    if (THROUGH_PGWEIR) {
      isTrue(pids.size() <= Integer.parseInt(System.getenv("PGWEIR_POOL_SIZE")), pids.size() + " servers were used");
    }
  }

  static void parameters(Client client) throws Exception {
    try (PreparedStatement statement = client.conn.prepareStatement("select ?::text, ?::bigint, ?::text")) {
      for (int i = 0; i < ROUNDS; ++i) {
        String tag = client.tag();
        long key = client.key();
        equal(row(statement, tag, key, null), Arrays.asList(tag, key, null));
      }
    }
  }

  // The driver calls the statements of every client S_1, S_2 and so on.
  static void equalNamesDifferentSql(Client client) throws Exception {
    var statements = new ArrayList<PreparedStatement>();
    for (int which = 0; which < 3; ++which) {
      statements.add(client.conn.prepareStatement("select ? || ' of " + client.number + " " + which + "'"));
    }
    for (int i = 0; i < ROUNDS; ++i) {
      for (int which = 0; which < 3; ++which) {
        String tag = client.tag();
        equal(row(statements.get(which), tag).get(0), tag + " of " + client.number + " " + which);
      }
    }
    for (PreparedStatement statement : statements) statement.close();
  }

  static void autocommit(Client client) throws Exception {
    for (int i = 0; i < ROUNDS; ++i) {
      String tag = client.tag();
      long key = client.key();
      equal(update(client.conn, INSERT, key, client.number, tag), 1);
      equal(value(client.conn, "select body from items where id = ?", key), tag);
    }
  }

  static void transactions(Client client) throws Exception {
    Connection conn = client.conn;
    conn.setAutoCommit(false);
    for (int i = 0; i < ROUNDS; ++i) {
      long key = client.key(), lost = client.key();
      String tag = client.tag();
      update(conn, INSERT, key, client.number, tag);
      conn.commit();
      update(conn, INSERT, lost, client.number, tag);
      conn.rollback();
      Savepoint savepoint = conn.setSavepoint();
      update(conn, "update items set body = 'inside' where id = ?", key);
      expect("22012", () -> value(conn, "select 1 / ?", 0));
      expect("25P02", () -> value(conn, "select ?::int", 1));
      conn.rollback(savepoint);
      equal(value(conn, "select body from items where id = ?", key), tag);
      equal(value(conn, "select count(*) from items where id in (?, ?)", key, lost), 1L);
      conn.commit();
    }
    conn.setAutoCommit(true);
  }

  // setTransactionIsolation and setReadOnly become SET SESSION CHARACTERISTICS and BEGIN READ ONLY.
  static void isolationLevels(Client client) throws Exception {
    Connection conn = client.conn;
    int[] levels = {
      Connection.TRANSACTION_READ_COMMITTED, Connection.TRANSACTION_REPEATABLE_READ, Connection.TRANSACTION_SERIALIZABLE
    };
    String[] names = {"read committed", "repeatable read", "serializable"};
    conn.setTransactionIsolation(levels[client.number % 3]);
    conn.setReadOnly(client.number % 2 == 1);
    client.await();
    conn.setAutoCommit(false);
    for (int i = 0; i < ROUNDS; ++i) {
      equal(value(conn, "show transaction_isolation"), names[client.number % 3]);
      equal(value(conn, "show transaction_read_only"), client.number % 2 == 1 ? "on" : "off");
      conn.commit();
    }
    conn.setAutoCommit(true);
    equal(conn.getTransactionIsolation(), levels[client.number % 3]);
    client.await();
    conn.setReadOnly(false);
    conn.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
  }

  static void errors(Client client) throws Exception {
    Connection conn = client.conn;
    long key = client.key();
    update(conn, INSERT, key, client.number, "first");
    try (PreparedStatement insert = conn.prepareStatement(INSERT);
        PreparedStatement divide = conn.prepareStatement("select 1 / ?::int")) {
      for (int i = 0; i < ROUNDS; ++i) {
        int turn = i;
        expect("23505", () -> {
          insert.setLong(1, key);
          insert.setInt(2, client.number);
          insert.setString(3, "again");
          insert.executeUpdate();
        });
        expect("42601", () -> value(conn, "selec ?", turn));
        expect("42601", () -> run(conn, "selec 1"));
        expect("22012", () -> row(divide, 0));
        expect("42P01", () -> value(conn, "select * from nowhere where id = ?", turn));
        equal(row(divide, 1).get(0), 1);
        String tag = client.tag();
        equal(value(conn, "select ?", tag), tag);
      }
    }
  }

  static void types(Client client) throws Exception {
    OffsetDateTime moment = OffsetDateTime.of(2024, 2, 29, 12, 30, 15, 123456000, ZoneOffset.UTC);
    byte[] bytes = new byte[256];
    for (int i = 0; i < bytes.length; ++i) bytes[i] = (byte) i;
    String sql = "select ?::text[], ?::int[], ?::jsonb, ?::timestamptz, ?::date, ?::numeric, ?::uuid, ?::bytea, ?::float8, ?::bool, ?::text";
    try (PreparedStatement statement = client.conn.prepareStatement(sql)) {
      for (int i = 0; i < ROUNDS; ++i) {
        String tag = client.tag();
        long key = client.key();
        statement.setArray(1, client.conn.createArrayOf("text", new String[] {tag, null, "x,y"}));
        statement.setArray(2, client.conn.createArrayOf("int4", new Integer[] {1, (int) key}));
        statement.setString(3, "{\"tag\": \"" + tag + "\"}");
        statement.setObject(4, moment.plusSeconds(key));
        statement.setDate(5, Date.valueOf("2024-02-29"));
        statement.setBigDecimal(6, new BigDecimal("12345678901234567890.123456789"));
        statement.setObject(7, new UUID(key, key));
        statement.setBytes(8, bytes);
        statement.setDouble(9, 2.5);
        statement.setBoolean(10, true);
        statement.setNull(11, Types.VARCHAR);
        try (ResultSet result = statement.executeQuery()) {
          isTrue(result.next(), "no row");
          equal(Arrays.asList((String[]) result.getArray(1).getArray()), Arrays.asList(tag, null, "x,y"));
          equal(Arrays.asList((Integer[]) result.getArray(2).getArray()), Arrays.asList(1, (int) key));
          equal(result.getString(3), "{\"tag\": \"" + tag + "\"}");
          equal(result.getObject(4, OffsetDateTime.class), moment.plusSeconds(key));
          equal(result.getDate(5), Date.valueOf("2024-02-29"));
          equal(result.getBigDecimal(6), new BigDecimal("12345678901234567890.123456789"));
          equal(result.getObject(7), new UUID(key, key));
          isTrue(Arrays.equals(result.getBytes(8), bytes), "bytea");
          equal(result.getDouble(9), 2.5);
          equal(result.getBoolean(10), true);
          equal(result.getString(11), null);
        }
      }
    }
  }

  static void bigValues(Client client) throws Exception {
    for (int i = 0; i < 3; ++i) {
      String text = client.tag() + "x".repeat(1_000_000);
      equal(value(client.conn, "select ? || 'end'", text), text + "end");
    }
  }

  // With a fetch size the driver keeps a named portal in a transaction.
  static void cursors(Client client) throws Exception {
    client.conn.setAutoCommit(false);
    try (PreparedStatement statement = client.conn.prepareStatement("select ? || n from generate_series(1, 50) n")) {
      statement.setFetchSize(7);
      for (int i = 0; i < ROUNDS; ++i) {
        String tag = client.tag();
        statement.setString(1, tag);
        try (ResultSet result = statement.executeQuery()) {
          for (int n = 1; n <= 50; ++n) {
            isTrue(result.next(), "a row is missing");
            equal(result.getString(1), tag + n);
          }
          isTrue(!result.next(), "a row too many");
        }
        client.conn.commit();
      }
    }
    client.conn.setAutoCommit(true);
  }

  static void holdCursors(Client client) throws Exception {
    client.conn.setAutoCommit(false);
    String tag = client.tag();
    try (Statement statement = client.conn.createStatement(
        ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY, ResultSet.HOLD_CURSORS_OVER_COMMIT)) {
      statement.setFetchSize(5);
      ResultSet result = statement.executeQuery("select '" + tag + "' || n from generate_series(1, 20) n");
      for (int n = 1; n <= 20; ++n) {
        isTrue(result.next(), "a row is missing");
        equal(result.getString(1), tag + n);
        if (n == 3) client.conn.commit();
      }
    }
    client.conn.commit();
    client.conn.setAutoCommit(true);
  }

  static void batches(Client client) throws Exception {
    Connection conn = client.conn;
    for (int i = 0; i < ROUNDS; ++i) {
      long first = client.key();
      try (PreparedStatement statement = conn.prepareStatement(INSERT, Statement.RETURN_GENERATED_KEYS)) {
        for (int n = 0; n < 30; ++n) {
          statement.setLong(1, n == 0 ? first : client.key());
          statement.setInt(2, client.number);
          statement.setString(3, client.tag());
          statement.addBatch();
        }
        equal(statement.executeBatch().length, 30);
        ResultSet keys = statement.getGeneratedKeys();
        isTrue(keys.next(), "no key");
        equal(keys.getLong(1), first);
      }
      expect("23505", () -> {
        try (PreparedStatement statement = conn.prepareStatement(INSERT)) {
          for (int n = 0; n < 10; ++n) {
            statement.setLong(1, n == 7 ? first : client.key());
            statement.setInt(2, -1 - client.number);
            statement.setString(3, "x");
            statement.addBatch();
          }
          statement.executeBatch();
        }
      });
      equal(value(conn, "select count(*) from items where owner = ?", -1 - client.number), 0L);
    }
  }

  static void copy(Client client) throws Exception {
    var manager = client.conn.unwrap(PGConnection.class).getCopyAPI();
    var lines = new StringBuilder();
    for (int n = 0; n < 200; ++n) lines.append(client.number).append('\t').append(n).append('\t').append(client.tag()).append('\n');
    equal(manager.copyIn("copy copied from stdin", new StringReader(lines.toString())), 200L);
    var got = new StringWriter();
    equal(manager.copyOut("copy (select * from copied where owner = " + client.number + " order by n) to stdout", got), 200L);
    equal(got.toString(), lines.toString());
    expect("22P02", () -> manager.copyIn("copy copied from stdin", new StringReader("x\t1\tx\n")));
    equal(value(client.conn, "select count(*) from copied where owner = ?", client.number), 200L);
  }

  static Map<String, String> settingsOf(Client client) {
    int n = client.number;
    var zones = List.of("UTC", "Asia/Tokyo", "America/Lima", "Europe/Rome", "Africa/Cairo", "Asia/Kolkata", "Australia/Perth");
    var settings = new LinkedHashMap<String, String>();
    settings.put("application_name", "app of client " + n);
    settings.put("timezone", zones.get(n % zones.size()));
    settings.put("statement_timeout", (100_001 + n) + "ms");
    settings.put("search_path", "place" + n + ", public");
    settings.put("work_mem", (1001 + n) + "kB");
    settings.put("default_transaction_isolation", List.of("read committed", "repeatable read", "serializable").get(n % 3));
    return settings; // the driver accepts no other DateStyle than ISO
  }

  static Map<String, String> show(Connection conn, Set<String> names) throws SQLException {
    var got = new LinkedHashMap<String, String>();
    for (String name : names) got.put(name, (String) value(conn, "show " + name));
    return got;
  }

  static void settings(Client client) throws Exception {
    Connection conn = client.conn;
    Map<String, String> wanted = settingsOf(client);
    Map<String, String> before = show(conn, wanted.keySet());
    before.put("application_name", ""); // the driver sets it after the start, so RESET gives another
    for (var setting : wanted.entrySet()) {
      String to = setting.getKey().equals("search_path") ? setting.getValue() : "'" + setting.getValue() + "'";
      run(conn, "set " + setting.getKey() + " = " + to);
    }
    client.await();
    try (PreparedStatement here = conn.prepareStatement("select owner from here where owner > ?")) {
      for (int i = 0; i < ROUNDS; ++i) {
        equal(show(conn, wanted.keySet()), wanted);
        equal(row(here, -1).get(0), client.number);
      }
    }
    client.await();
    for (String name : wanted.keySet()) run(conn, "reset " + name);
    equal(show(conn, wanted.keySet()), before);
  }

  // setSchema and setClientInfo are SET search_path and application_name.
  static void settingsByTheDriver(Client client) throws Exception {
    Connection conn = client.conn;
    conn.setSchema("place" + client.number);
    conn.setClientInfo("ApplicationName", "info of " + client.number);
    client.await();
    for (int i = 0; i < ROUNDS; ++i) {
      equal(value(conn, "select owner from here"), client.number);
      equal(conn.getSchema(), "place" + client.number);
      equal(value(conn, "show application_name"), "info of " + client.number);
    }
    client.await();
    run(conn, "reset search_path");
    run(conn, "reset application_name");
  }

  static void startupSettings(Client client) throws Exception {
    try (Connection conn = connect("ApplicationName", "started by " + client.number, "currentSchema", "place" + client.number,
        "options", "-c work_mem=" + (4000 + client.number) + "kB")) {
      client.await();
      for (int i = 0; i < ROUNDS; ++i) {
        equal(value(conn, "show application_name"), "started by " + client.number);
        equal(value(conn, "select owner from here"), client.number);
        equal(value(conn, "show work_mem"), (4000 + client.number) + "kB");
      }
    }
  }

  static void temporaryTables(Client client) throws Exception {
    String tag = client.tag();
    run(client.conn, "create temp table mine (body text)");
    update(client.conn, "insert into mine values (?)", tag);
    equal(value(client.conn, "select body from mine"), tag);
    run(client.conn, "drop table mine");
  }

  // Outside a transaction the driver itself prepares again when the type of a result has changed.
  static void changedTable(Client client) throws Exception {
    Connection conn = client.conn;
    String table = "changing" + client.number;
    var wanted = new ArrayList<Object>(List.of(client.number, "x"));
    update(conn, "insert into " + table + " values (?, ?)", client.number, "x");
    try (PreparedStatement statement = conn.prepareStatement("select * from " + table + " where id = ?")) {
      for (int turn = 0; turn < 3; ++turn) {
        for (int i = 0; i < ROUNDS; ++i) equal(row(statement, client.number), wanted);
        run(conn, "alter table " + table + " add column extra" + turn + " int default " + turn);
        wanted.add(turn);
      }
    }
  }

  // More than the driver keeps: it closes the oldest.
  static void manyStatements(Client client) throws Exception {
    try (Connection conn = connect("preparedStatementCacheQueries", "5", "prepareThreshold", "1")) {
      for (int i = 0; i < 3; ++i) {
        for (int which = 0; which < 12; ++which) {
          String tag = client.tag();
          equal(value(conn, "select ? || ' " + client.number + " " + which + "'", tag), tag + " " + client.number + " " + which);
        }
      }
    }
  }

  // The driver notices these and prepares again.
  static void deallocateAll(Client client) throws Exception {
    Connection conn = client.conn;
    try (PreparedStatement statement = conn.prepareStatement("select ? || '" + client.number + "'")) {
      for (int turn = 0; turn < 4; ++turn) {
        for (int i = 0; i < ROUNDS; ++i) {
          String tag = client.tag();
          equal(row(statement, tag).get(0), tag + client.number);
        }
        run(conn, turn % 2 == 0 ? "deallocate all" : "discard all");
      }
    }
  }

  static void cancel(Client client) throws Exception {
    for (int i = 0; i < 2; ++i) {
      try (Statement statement = client.conn.createStatement()) {
        var done = new boolean[1];
        var canceller = new Thread(() -> {
          try {
            for (;;) {
              synchronized (done) {
                if (!done[0]) done.wait(20);
                if (done[0]) return;
              }
              statement.cancel();
            }
          } catch (Exception ignored) {
            // the query then runs to its end, which is an error
          }
        });
        canceller.start();
        try {
          expect("57014", () -> statement.execute("select pg_sleep(50)"));
        } finally {
          synchronized (done) {
            done[0] = true;
            done.notify();
          }
          canceller.join();
        }
      }
      String tag = client.tag();
      equal(value(client.conn, "select ?", tag), tag);
    }
  }

  // The driver's own timer, which sends a CancelRequest.
  static void queryTimeout(Client client) throws Exception {
    try (Statement statement = client.conn.createStatement()) {
      statement.setQueryTimeout(1);
      expect("57014", () -> statement.execute("select pg_sleep(50)"));
    }
    String tag = client.tag();
    equal(value(client.conn, "select ?", tag), tag);
  }

  static void isValid(Client client) throws Exception {
    for (int i = 0; i < ROUNDS; ++i) isTrue(client.conn.isValid(PATIENCE), "not valid");
  }

  static void reconnect(Client client) throws Exception {
    for (int i = 0; i < 3; ++i) {
      try (Connection conn = connect()) {
        String tag = client.tag();
        equal(value(conn, "select ?", tag), tag);
      }
    }
  }

  static void notifications(Client client) throws Exception {
    Connection conn = client.conn;
    run(conn, "listen own" + client.number);
    run(conn, "listen everybody");
    client.await();
    value(conn, "select pg_notify(?, ?)::text", "own" + client.number, "for " + client.number);
    value(conn, "select pg_notify('everybody', ?)::text", String.valueOf(client.number));
    var missing = new LinkedHashSet<String>();
    missing.add("own" + client.number + " for " + client.number);
    for (int n = 0; n < CLIENTS; ++n) missing.add("everybody " + n);
    while (!missing.isEmpty()) {
      for (PGNotification got : conn.unwrap(PGConnection.class).getNotifications(0)) {
        String text = got.getName() + " " + got.getParameter();
        isTrue(missing.remove(text), "surprised by " + text);
      }
    }
    client.await();
    run(conn, "unlisten *");
  }

  public static void main(String[] arguments) throws Exception {
    only.addAll(List.of(arguments));
    try (Connection conn = connect()) {
      run(conn, "create table items (id bigint primary key, owner int not null, body text)");
      run(conn, "create table copied (owner int, n int, body text)");
      for (int n = 0; n < CLIENTS; ++n) {
        run(conn, "create schema place" + n);
        run(conn, "create table place" + n + ".here as select " + n + " as owner");
        run(conn, "create table changing" + n + " (id int, body text)");
      }
    }
    for (int n = 0; n < CLIENTS; ++n) clients[n] = new Client(n);
    var checks = new LinkedHashMap<String, Check>();
    checks.put("connect_and_ask", JdbcTest::connectAndAsk);
    checks.put("parameters", JdbcTest::parameters);
    checks.put("equal_names_different_sql", JdbcTest::equalNamesDifferentSql);
    checks.put("autocommit", JdbcTest::autocommit);
    checks.put("transactions", JdbcTest::transactions);
    checks.put("isolation_levels", JdbcTest::isolationLevels);
    checks.put("errors", JdbcTest::errors);
    checks.put("types", JdbcTest::types);
    checks.put("big_values", JdbcTest::bigValues);
    checks.put("cursors", JdbcTest::cursors);
    checks.put("hold_cursors", JdbcTest::holdCursors);
    checks.put("batches", JdbcTest::batches);
    checks.put("copy", JdbcTest::copy);
    checks.put("settings", JdbcTest::settings);
    checks.put("settings_by_the_driver", JdbcTest::settingsByTheDriver);
    checks.put("startup_settings", JdbcTest::startupSettings);
    checks.put("temporary_tables", JdbcTest::temporaryTables);
    checks.put("changed_table", JdbcTest::changedTable);
    checks.put("many_statements", JdbcTest::manyStatements);
    checks.put("deallocate_all", JdbcTest::deallocateAll);
    checks.put("cancel", JdbcTest::cancel);
    checks.put("query_timeout", JdbcTest::queryTimeout);
    checks.put("is_valid", JdbcTest::isValid);
    checks.put("reconnect", JdbcTest::reconnect);
    checks.put("notify", JdbcTest::notifications);
    for (String name : only) {
      if (!checks.containsKey(name)) {
        System.out.println("there is no check " + name);
        ++failed;
      }
    }
    for (var entry : checks.entrySet()) check(entry.getKey(), entry.getValue());
    only.clear();
    check("close", client -> client.conn.close());
    end();
  }
}
