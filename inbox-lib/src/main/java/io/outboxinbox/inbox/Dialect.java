package io.outboxinbox.inbox;

import java.sql.Connection;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/** Finds out, once, which database's SQL is needed. */
final class Dialect {
  private final SchemaName schema;
  private final String consumer;
  private volatile @Nullable InboxTable table;

  Dialect(SchemaName schema, String consumer) {
    this.schema = schema;
    this.consumer = consumer;
  }

  SchemaName schema() {
    return schema;
  }

  InboxCleaner cleaner(Connection connection) throws SQLException {
    return table(connection).cleaner();
  }

  InboxTable table(Connection connection) throws SQLException {
    InboxTable known = table;
    if (known == null) {
      // Two threads may both find out; they find the same.
      known = of(connection);
      table = known;
    }
    return known;
  }

  static boolean isPostgres(String product) {
    return product.equalsIgnoreCase("PostgreSQL");
  }

  /** MariaDB answers to both names, as the driver is MariaDB's or MySQL's. */
  static boolean isMySql(String product) {
    return product.equalsIgnoreCase("MySQL") || product.equalsIgnoreCase("MariaDB");
  }

  private InboxTable of(Connection connection) throws SQLException {
    String product = connection.getMetaData().getDatabaseProductName();
    if (isPostgres(product)) {
      return new PostgresTable(schema, consumer, Pgjdbc.of(connection));
    }
    if (isMySql(product)) {
      return new MySqlTable(schema, consumer);
    }
    throw new InboxException.Misconfigured(
        "the inbox has no SQL for database '" + product + "'",
        "use PostgreSQL 14, MySQL 8 or MariaDB 10.6, or later");
  }
}
