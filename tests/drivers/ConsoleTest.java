// The console, read with the default settings of the JDBC driver, and with autocommit off.

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

public class ConsoleTest {
  static final String[] SHOWS = {
    "STATS", "STATS_TOTALS", "STATS_AVERAGES", "TOTALS", "POOLS", "CLIENTS", "SERVERS", "DATABASES", "USERS",
    "LISTS", "CONFIG", "STATE", "VERSION", "HELP", "ERRORS"
  };

  static String url(String database) {
    return "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + database;
  }

  static void read(Connection conn) throws SQLException {
    for (String name : SHOWS) {
      // More than the driver's threshold, so that the statement is prepared and its results become binary.
      try (PreparedStatement statement = conn.prepareStatement("SHOW " + name)) {
        for (int i = 0; i < 8; ++i) {
          try (ResultSet rows = statement.executeQuery()) {
            int count = 0;
            while (rows.next()) {
              for (int column = 1; column <= rows.getMetaData().getColumnCount(); ++column) rows.getObject(column);
              ++count;
            }
            if (count == 0) throw new AssertionError(name + " has no rows");
          }
        }
      }
    }
  }

  public static void main(String[] arguments) throws Exception {
    String user = System.getenv("PGUSER"), password = System.getenv("PGPASSWORD");
    try (Connection app = DriverManager.getConnection(url(System.getenv("PGDATABASE")), user, password)) {
      app.createStatement().execute("select 1");
      try (Connection conn = DriverManager.getConnection(url("pgweir"), "dba", "dba")) {
        if (!conn.isValid(5)) throw new AssertionError("isValid");
        read(conn);
        try (Statement statement = conn.createStatement()) {
          statement.execute("RELOAD");
          try {
            statement.execute("SELECT * FROM pg_class");
            throw new AssertionError("the console ran SQL");
          } catch (SQLException error) {
            if (!"0A000".equals(error.getSQLState())) throw error;
          }
        }
        conn.setAutoCommit(false);
        read(conn);
        conn.commit();
      }
    }
    System.out.println("PASS console");
  }
}
