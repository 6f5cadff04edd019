package io.outboxinbox.inbox;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.jspecify.annotations.Nullable;

/** Finds out, once, which database's SQL is needed. */
final class Dialect {
  /** Quoted where that is needed. */
  private static final String POSTGRES_SCHEMA =
      "SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_class AS c"
          + " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
          + " WHERE c.oid = pg_catalog.to_regclass('inbox_message')";

  private final String consumer;

  /** As it was given; or where the tables were found, once they were. */
  private volatile SchemaName schema;

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
    return known == null ? find(connection) : known;
  }

  /**
   * The first look at the search path counts: a handler may change it, and what is written behind
   * the handler belongs where the message was admitted. Two threads may both look; they find the
   * same.
   */
  private InboxTable find(Connection connection) throws SQLException {
    String product = connection.getMetaData().getDatabaseProductName();
    if (isPostgres(product) && schema.name() == null) {
      String found = schemaOnPath(connection);
      if (found == null) {
        // The statement will say so, and the next may find them.
        return of(product, connection);
      }
      schema = SchemaName.isPlain(found) ? new SchemaName(found) : schema;
    }
    InboxTable found = of(product, connection);
    table = found;
    return found;
  }

  private static @Nullable String schemaOnPath(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(POSTGRES_SCHEMA)) {
      return row.next() ? row.getString(1) : null;
    }
  }

  static boolean isPostgres(String product) {
    return product.equalsIgnoreCase("PostgreSQL");
  }

  /** MariaDB answers to both names, as the driver is MariaDB's or MySQL's. */
  static boolean isMySql(String product) {
    return product.equalsIgnoreCase("MySQL") || product.equalsIgnoreCase("MariaDB");
  }

  private InboxTable of(String product, Connection connection) throws SQLException {
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
