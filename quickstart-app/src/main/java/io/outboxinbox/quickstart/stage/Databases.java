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

  /**
   * Where the inventory's database tells of committed reservations: their id, order and version.
   */
  public static final String RESERVATIONS = "reservations";

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
    execute(SHOP, SchemaFiles.ofOutbox());
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

  private void createInventory() throws SQLException, Trouble {
    execute(INVENTORY, SchemaFiles.ofInbox());
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
        // No key that would refuse a second row of the same event: what is doubled is to be seen.
        """
        CREATE TABLE reservation (
          id       bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
          order_id bigint  NOT NULL,
          version  integer NOT NULL,
          event_id text    NOT NULL
        )
        """,
        // How the demonstration learns of a commit at once, without the service knowing of it.
        """
        CREATE FUNCTION reservation_made() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM pg_notify('%s', concat_ws(' ', NEW.id, NEW.order_id, NEW.version));
          RETURN NULL;
        END
        $$
        """
            .formatted(RESERVATIONS),
        """
        CREATE TRIGGER reservation_made AFTER INSERT ON reservation
        FOR EACH ROW EXECUTE FUNCTION reservation_made()
        """,
        "GRANT SELECT, UPDATE ON stock TO " + INVENTORY_SERVICE,
        "GRANT SELECT, INSERT ON reservation TO " + INVENTORY_SERVICE,
        "GRANT SELECT, INSERT, UPDATE, DELETE ON inbox_message, inbox_floor, inbox_watermark,"
            + " inbox_epoch_end, inbox_epoch_accepted, inbox_offset, inbox_dead_letter,"
            + " inbox_dead_letter_header TO "
            + INVENTORY_SERVICE);
  }

  /** Where the inventory service connects to, name and password included. */
  public String inventoryUrl() {
    return server.jdbcUrl(INVENTORY) + "?user=" + INVENTORY_SERVICE + "&password=" + PASSWORD;
  }

  /** A pool for the order service, which the caller closes. */
  public HikariDataSource orderService(int connections) {
    return pool(SHOP, ORDER_SERVICE, connections);
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

  private void execute(String database, Map<String, String> files) throws Trouble {
    for (Map.Entry<String, String> file : files.entrySet()) {
      try {
        execute(database, file.getValue());
      } catch (SQLException e) {
        throw new Trouble("schema/postgresql/" + file.getKey() + ": " + e.getMessage(), e);
      }
    }
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
