package io.outboxinbox.agent.source.outbox;

import io.outboxinbox.agent.source.Sql;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * Asks how large rows are before any is read. Rows may be a hundred bytes or as many megabytes, and
 * whatever number of them the driver is told to fetch, it holds all of them at once.
 */
public final class RowSizes {
  /** What a row takes beside the columns that may be large. */
  private static final int ROW_BYTES = 100;

  /** Sizes asked for at first; the server may have to unpack each row to tell. */
  private static final int FETCH_FIRST = 8;

  private static final int FETCH_MAX = 1000;

  private RowSizes() {}

  /** SQL for the bytes of a row of the table, which the query calls {@code alias}. */
  public static String sql(Connection connection, String table, String alias) throws SQLException {
    // Of text and bytea the server knows the length without reading them; a char(n) as text would
    // be without its blanks. Of other types an owner may have made the cast to text.
    String sql =
        """
        SELECT coalesce(string_agg(pg_catalog.format(
                 CASE WHEN base IN ('bytea'::regtype, 'bpchar'::regtype)
                      THEN ' + coalesce(octet_length(%2$s.%1$s), 0)'
                      WHEN base IN ('text'::regtype, 'varchar'::regtype)
                      THEN ' + coalesce(octet_length(%2$s.%1$s::text), 0)'
                      ELSE ' + coalesce(octet_length(pg_catalog.concat(%2$s.%1$s)), 0)' END, attname), ''), '')
        FROM pg_attribute JOIN pg_type t ON t.oid = atttypid,
             LATERAL (SELECT CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END) AS b(base)
        WHERE attrelid = ?::regclass AND attnum > 0 AND NOT attisdropped AND attlen = -1
        """
            .formatted("%I", alias);
    return Sql.one(connection, sql, row -> "(" + ROW_BYTES + row.getString(1) + ")::bigint", table);
  }

  /** Gives the statements up to the transaction's end one and the same view of the table. */
  public static void freeze(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    }
  }

  /**
   * How many rows make a page.
   *
   * @param sizes a query for the sizes of rows in their order, in a transaction
   * @param bytes the row that reaches them is the page's last
   * @return 0 only when the query has no row
   */
  public static int countWithin(PreparedStatement sizes, long bytes) throws SQLException {
    sizes.setFetchSize(FETCH_FIRST);
    int count = 0;
    long sum = 0;
    try (ResultSet row = sizes.executeQuery()) {
      while (sum < bytes && row.next()) {
        count++;
        sum += row.getLong(1);
        row.setFetchSize(Math.min(FETCH_MAX, Math.max(FETCH_FIRST, count)));
      }
    }
    return count;
  }
}
