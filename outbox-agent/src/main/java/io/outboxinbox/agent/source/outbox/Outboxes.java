package io.outboxinbox.agent.source.outbox;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import io.outboxinbox.agent.source.Sql;
import java.sql.Array;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;

/** What is asked of all tables of a source together. */
public final class Outboxes {
  private final List<OutboxTable> tables;

  public Outboxes(List<OutboxTable> tables) {
    this.tables = List.copyOf(tables);
  }

  /** Those of the names. */
  public Outboxes only(Set<String> names) {
    return new Outboxes(tables.stream().filter(table -> names.contains(table.name())).toList());
  }

  /**
   * How many rows there are.
   *
   * @throws SQLException as the server says
   */
  public long count(Connection connection) throws SQLException {
    return count(connection, table -> Candidates.ALL);
  }

  /** How many rows may have to be published. */
  public long count(Connection connection, Function<OutboxTable, Candidates> candidates)
      throws SQLException {
    long rows = 0;
    for (OutboxTable table : tables) {
      String sql =
          "SELECT count(*) FROM %s WHERE %s"
              .formatted(table.qualified(), candidates.apply(table).condition());
      rows += Sql.one(connection, sql, row -> row.getLong(1));
    }
    return rows;
  }

  /**
   * Looks for rows without an id: nobody could tell which of them are published. The log brings
   * such rows one by one.
   *
   * @param connection without a limit to the time of an answer: whole tables may be read
   * @throws AgentException.Misconfigured there are some
   */
  public void refuseRowsWithoutId(
      Connection connection, Function<OutboxTable, Candidates> candidates) throws SQLException {
    for (OutboxTable table : tables) {
      refuseRowsWithoutId(connection, table, candidates.apply(table));
    }
  }

  private static void refuseRowsWithoutId(
      Connection connection, OutboxTable table, Candidates candidates) throws SQLException {
    String outbox = table.qualified();
    String id = OutboxColumns.quoted(table, Column.ID);
    String sql =
        "SELECT count(*) FROM %s WHERE %s IS NULL AND %s"
            .formatted(outbox, id, candidates.condition());
    boolean isRequired =
        CatalogQuery.one(
            connection,
            "SELECT attnotnull FROM pg_attribute WHERE attrelid = ?::regclass AND attname = ?",
            row -> row.getBoolean(1),
            outbox,
            String.valueOf(table.mappedColumns().get(Column.ID)));
    if (isRequired) {
      return;
    }
    long nameless = Sql.one(connection, sql, row -> row.getLong(1));
    if (nameless > 0) {
      throw new AgentException.Misconfigured(
          "%d rows of table %s have no %s, so nobody could tell which of them are published"
              .formatted(nameless, outbox, id),
          "delete those that were published or parked already, and give each of the others an id of its own; keep more from coming: ALTER TABLE %s ALTER COLUMN %s SET NOT NULL"
              .formatted(outbox, id));
    }
  }

  /**
   * A condition, true where the row of an id is there.
   *
   * @param table which one it would be in, as text, in SQL; any of them where it names none
   * @param id the id as text, in SQL; anything an operator may have written
   */
  public String contains(Connection connection, String table, String id) throws SQLException {
    List<String> in = new ArrayList<>();
    for (OutboxTable one : tables) {
      in.add(contains(connection, one, id));
    }
    if (in.size() == 1) {
      return in.get(0);
    }
    StringBuilder condition = new StringBuilder("CASE ").append(table);
    for (int i = 0; i < in.size(); i++) {
      condition
          .append(" WHEN ")
          .append(Identifiers.literal(tables.get(i).name()))
          .append(" THEN ")
          .append(in.get(i));
    }
    return condition.append(" ELSE ").append(String.join(" OR ", in)).append(" END").toString();
  }

  private static String contains(Connection connection, OutboxTable table, String id)
      throws SQLException {
    ColumnType type = ColumnType.of(connection, table, Column.ID);
    String column = "o." + OutboxColumns.quoted(table, Column.ID);
    // With the type of the column, so that its index serves; and no text is cast that is none. Of
    // digits the column decides whether it can hold them: numbers of two types can be compared.
    String isSame =
        switch (type.name()) {
          case "uuid" ->
              "%s = CASE WHEN %s THEN %s::uuid END".formatted(column, UuidText.isUuid(id), id);
          case "bigint", "integer", "smallint" ->
              "%s = CASE WHEN %s ~ '^-?[0-9]{1,19}$' THEN CASE WHEN %2$s::numeric BETWEEN %d AND %d THEN %2$s::bigint END END"
                  .formatted(column, id, Long.MIN_VALUE, Long.MAX_VALUE);
          default -> type.isSame(column, id);
        };
    return "EXISTS (SELECT FROM %s o WHERE %s)".formatted(table.qualified(), isSame);
  }

  /** Whether ids are unique in the world, and not only in their table. */
  public boolean haveUuids(Connection connection) throws SQLException {
    for (OutboxTable table : tables) {
      if (!ColumnType.of(connection, table, Column.ID).name().equals("uuid")) {
        return false;
      }
    }
    return true;
  }

  /** Which of the ids no row has; only where all tables have UUIDs. */
  public Set<String> missing(Connection connection, List<String> ids) throws SQLException {
    String sql =
        "SELECT i.id::text FROM pg_catalog.unnest(?::uuid[]) AS i(id) WHERE "
            + tables.stream()
                .map(
                    table ->
                        "NOT EXISTS (SELECT FROM %s o WHERE o.%s = i.id)"
                            .formatted(table.qualified(), OutboxColumns.quoted(table, Column.ID)))
                .collect(Collectors.joining(" AND "));
    Array texts = connection.createArrayOf("text", ids.toArray());
    return Set.copyOf(Sql.list(connection, sql, row -> row.getString(1), texts));
  }
}
