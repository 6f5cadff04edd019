package io.outboxinbox.quickstart.stage;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.outboxinbox.testkit.PostgresServer;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Map;

/**
 * Two databases on one server, as if they belonged to two teams: the shop's with the outbox, and
 * the inventory's. Logins have the rights they need and no more.
 */
public final class Databases {
  public static final String SHOP = "shop";
  public static final String INVENTORY = "inventory";
  public static final List<String> SKUS =
      List.of("apple", "banana", "cherry", "damson", "elderberry", "fig", "grape", "hazelnut");

  private static final String ORDER_SERVICE = "order_service";
  private static final String INVENTORY_SERVICE = "inventory_service";
  static final String AGENT = "outbox_agent";

  /** Of every login: the server listens on the loopback address and lives for minutes. */
  static final String PASSWORD = "quickstart";

  private final PostgresServer server;

  public Databases(PostgresServer server) {
    this.server = server;
  }

  /** Creates databases, the outbox, the services' tables and logins. */
  public void create() throws Trouble {
    try {
      execute(
          "postgres",
          "CREATE DATABASE " + SHOP,
          "CREATE DATABASE " + INVENTORY,
          "CREATE ROLE " + ORDER_SERVICE + " LOGIN PASSWORD '" + PASSWORD + "'",
          "CREATE ROLE " + INVENTORY_SERVICE + " LOGIN PASSWORD '" + PASSWORD + "'");
      createShop();
      createInventory();
    } catch (SQLException e) {
      throw new Trouble("cannot set up the databases: " + e.getMessage(), e);
    }
  }

  private void createShop() throws SQLException, Trouble {
    for (Map.Entry<String, String> file : SchemaFiles.read().entrySet()) {
      try {
        execute(SHOP, file.getValue());
      } catch (SQLException e) {
        throw new Trouble("schema/postgresql/" + file.getKey() + ": " + e.getMessage(), e);
      }
    }
    execute(
        SHOP,
        "SELECT outbox_partitions_create()",
        "ALTER ROLE " + AGENT + " PASSWORD '" + PASSWORD + "'",
        "GRANT outbox_writer TO " + ORDER_SERVICE,
        """
        CREATE TABLE orders (
          id       bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
          sku      text    NOT NULL,
          quantity integer NOT NULL,
          status   text    NOT NULL,
          version  integer NOT NULL
        )
        """,
        "GRANT SELECT, INSERT, UPDATE ON orders TO " + ORDER_SERVICE);
  }

  private void createInventory() throws SQLException {
    execute(
        INVENTORY,
        """
        CREATE TABLE stock (
          sku      text   PRIMARY KEY,
          reserved bigint NOT NULL DEFAULT 0,
          shipped  bigint NOT NULL DEFAULT 0
        )
        """,
        "INSERT INTO stock (sku) SELECT unnest('{" + String.join(",", SKUS) + "}'::text[])",
        "CREATE TABLE message_seen (message_id uuid PRIMARY KEY)",
        "GRANT SELECT, UPDATE ON stock TO " + INVENTORY_SERVICE,
        "GRANT SELECT, INSERT ON message_seen TO " + INVENTORY_SERVICE);
  }

  /** A pool for the order service, which the caller closes. */
  public HikariDataSource orderService(int connections) {
    return pool(SHOP, ORDER_SERVICE, connections);
  }

  /** A pool for the inventory, which the caller closes. */
  public HikariDataSource inventoryService() {
    return pool(INVENTORY, INVENTORY_SERVICE, 1);
  }

  /** Such as 17.6; empty if the server does not say. */
  public String serverVersion() {
    try (Connection connection = server.connect(SHOP)) {
      return connection.getMetaData().getDatabaseProductVersion();
    } catch (SQLException e) {
      return "";
    }
  }

  /** As superuser. */
  public Connection connect(String database) throws SQLException {
    return server.connect(database);
  }

  private HikariDataSource pool(String database, String user, int connections) {
    HikariConfig config = new HikariConfig();
    config.setPoolName(user);
    config.setJdbcUrl(server.jdbcUrl(database));
    config.setUsername(user);
    config.setPassword(PASSWORD);
    config.setMaximumPoolSize(connections);
    config.setAutoCommit(false);
    return new HikariDataSource(config);
  }

  private void execute(String database, String... statements) throws SQLException {
    try (Connection connection = server.connect(database);
        Statement statement = connection.createStatement()) {
      for (String sql : statements) {
        statement.execute(sql);
      }
    }
  }
}
