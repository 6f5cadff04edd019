package io.outboxinbox.agent.source.outbox;

import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import java.sql.Connection;
import java.sql.SQLException;

/**
 * How SQL compares the values of a column. Nothing of it is looked up by name in a schema that
 * others than superusers may write to, nor cast by what the owner of a type has made: either would
 * run with the agent's rights.
 *
 * @param name of the type as SQL writes it, to cast to: without its length, as a cast to that would
 *     cut what is longer, and of a domain the type beneath; {@code text} for an enumeration
 * @param schema of its operators, quoted
 * @param isEnum whether it is compared as text
 */
public record ColumnType(String name, String schema, boolean isEnum) {
  private static final String SERVERS = "pg_catalog";

  /** A type of an extension, such as citext, has operators of its own in the extension's schema. */
  private static final String TYPE =
      """
      WITH RECURSIVE types AS (
        SELECT t.oid, t.typtype, t.typbasetype
          FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
         WHERE a.attrelid = ?::regclass AND a.attname = ?
         UNION ALL
        SELECT t.oid, t.typtype, t.typbasetype
          FROM types d JOIN pg_type t ON t.oid = d.typbasetype
         WHERE d.typtype = 'd'
      )
      SELECT format_type(t.oid, -1) AS name, t.typtype = 'e' AS is_enum,
             coalesce((SELECT pg_catalog.quote_ident(n.nspname::text)
                         FROM pg_opclass c
                         JOIN pg_am m ON m.oid = c.opcmethod AND m.amname = 'btree'
                         JOIN pg_amop o ON o.amopfamily = c.opcfamily AND o.amopstrategy = 3
                          AND o.amoplefttype = c.opcintype AND o.amoprighttype = c.opcintype
                         JOIN pg_operator p ON p.oid = o.amopopr
                         JOIN pg_namespace n ON n.oid = p.oprnamespace
                        WHERE c.opcdefault AND c.opcintype = t.oid), 'pg_catalog') AS schema
        FROM types t
       WHERE t.typtype <> 'd'
      """;

  /**
   * Looks it up.
   *
   * @throws SQLException as the server says, or the table has no such column
   */
  public static ColumnType of(Connection connection, OutboxTable table, Column column)
      throws SQLException {
    String name = table.mappedColumns().getOrDefault(column, column.name());
    return CatalogQuery.list(
            connection,
            TYPE,
            row ->
                row.getBoolean("is_enum")
                    ? new ColumnType("text", SERVERS, true)
                    : new ColumnType(row.getString("name"), row.getString("schema"), false),
            table.qualified(),
            name)
        .stream()
        .findFirst()
        .orElseThrow(
            () ->
                new SQLException(
                    "table %s has no column %s"
                        .formatted(table.qualified(), Identifiers.quoted(name))));
  }

  /** A column, in SQL, as what {@link #operator} compares and {@code ORDER BY} sorts. */
  String comparable(String column) {
    if (isEnum) {
      return OutboxColumns.logText(column) + " COLLATE pg_catalog.\"C\"";
    }
    // Of a domain there may be operators that nobody asked for.
    return schema.equals(SERVERS) ? column : column + "::" + name;
  }

  /** An operator of the type, such as {@code =}, for {@link #comparable} and values cast to it. */
  private String operator(String symbol) {
    return "OPERATOR(%s.%s)".formatted(schema, symbol);
  }

  /**
   * A condition, true where a column has a value as people or the log write it.
   *
   * @param value text, in SQL; may be none that the type takes
   */
  public String isSame(String column, String value) {
    return switch (name) {
      // With the type of the column, so that its index serves.
      case "text", "character varying", "bpchar" ->
          "%s = %s::%s".formatted(comparable(column), value, name);
      default -> "%s = %s".formatted(OutboxColumns.logText(column), value);
    };
  }

  /**
   * A condition, true where a column has a text that was written down as the log has it. What a
   * type, a collation or blanks make equal, and is not the same text, is another value.
   *
   * @param value text, in SQL, that the type takes
   */
  public String isExactly(String column, String value) {
    // The column's own type first, so that its index serves; then the text decides, byte by byte.
    // By no operator that could be hashed: the server would hash the text of the whole table.
    return "%s %s %s::%s AND %s COLLATE pg_catalog.\"C\" IS NOT DISTINCT FROM %3$s"
        .formatted(comparable(column), operator("="), value, name, OutboxColumns.logText(column));
  }

  /**
   * The same for several texts, as people write them: without the blanks that fill up a char(n).
   *
   * @param values array of text, in SQL, that is put in twice; the type takes each of them
   */
  String isExactlyOneOf(String column, String values) {
    if (name.equals("bpchar")) {
      return "%s %s ANY(%s::bpchar[]) AND %3$s::text[] IS NOT NULL"
          .formatted(comparable(column), operator("="), values);
    }
    return "%s %s ANY(%s::%s[]) AND %s COLLATE pg_catalog.\"C\" = ANY(ARRAY(SELECT %s FROM pg_catalog.unnest(%3$s::%4$s[]) AS named(value)))"
        .formatted(
            comparable(column),
            operator("="),
            values,
            name,
            OutboxColumns.logText(column),
            OutboxColumns.logText("named.value"));
  }

  /**
   * A condition, true where a column comes behind a value in the order of {@link #comparable}.
   *
   * @param value text, in SQL, that the type takes
   */
  String isBehind(String column, String value) {
    // Cast, so that the primary key can be used.
    return "%s %s %s::%s".formatted(comparable(column), operator(">"), value, name);
  }
}
