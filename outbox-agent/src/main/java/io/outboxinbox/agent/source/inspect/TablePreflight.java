package io.outboxinbox.agent.source.inspect;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.WayOut;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.Identifiers;
import io.outboxinbox.agent.source.OutboxTable;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import io.outboxinbox.agent.source.outbox.OutboxColumns;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The outbox table: that its rows reach the log and can be read as events. */
final class TablePreflight {
  /** Debezium sends a coarser timestamp in other units than a finer one. */
  private static final int MILLIS_DIGITS = 3;

  private static final String RELATION =
      """
      SELECT c.oid::bigint AS oid,
             c.relkind::text AS kind,
             c.relpersistence::text AS persistence,
             has_schema_privilege(n.oid, 'USAGE') AS may_use_schema,
             has_table_privilege(c.oid, 'SELECT') AS may_select,
             row_security_active(c.oid) AS is_filtered,
             EXISTS (SELECT FROM pg_index i
                       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = ?
                      WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid
                        AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum)
               AS id_is_unique,
             ARRAY(SELECT pg_catalog.format('%I.%I', ln.nspname, l.relname)
                     FROM pg_partition_tree(c.oid) p
                     JOIN pg_class l ON l.oid = p.relid
                     JOIN pg_namespace ln ON ln.oid = l.relnamespace
                    WHERE p.isleaf AND l.oid <> c.oid AND l.relpersistence <> 'p'
                    ORDER BY 1) AS unlogged_partitions
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = ? AND c.relname = ?
      """;

  private static final String COLUMNS =
      """
      WITH RECURSIVE types AS (
        SELECT a.attrelid, a.attnum, t.oid, t.typtype, t.typbasetype, t.typtypmod,
               a.atttypmod AS modifier
          FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
         WHERE a.attrelid = CAST(? AS bigint)::oid AND a.attnum > 0 AND NOT a.attisdropped
         UNION ALL
        SELECT d.attrelid, d.attnum, t.oid, t.typtype, t.typbasetype, t.typtypmod, d.typtypmod
          FROM types d JOIN pg_type t ON t.oid = d.typbasetype
         WHERE d.typtype = 'd'
      )
      SELECT a.attname AS name,
             CASE b.typtype WHEN 'e' THEN 'enum' WHEN 'b' THEN b.typname ELSE '' END AS base_type,
             format_type(a.atttypid, a.atttypmod) AS shown_type,
             a.attgenerated::text AS generated,
             t.modifier,
             CASE WHEN b.typtype <> 'e' AND NOT has_schema_privilege(n.oid, 'USAGE')
                  THEN pg_catalog.quote_ident(n.nspname::text) ELSE '' END AS closed_schema
        FROM types t
        JOIN pg_attribute a ON a.attrelid = t.attrelid AND a.attnum = t.attnum
        JOIN pg_type b ON b.oid = t.oid
        JOIN pg_namespace n ON n.oid = b.typnamespace
       WHERE t.typtype <> 'd'
       ORDER BY a.attnum
      """;

  private static final String NEAR_TABLES =
      """
      SELECT n.nspname AS schema_name, c.relname AS table_name
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'p') AND (n.nspname = ? OR c.relname = ?)
         AND n.nspname NOT IN ('pg_catalog', 'information_schema')
       ORDER BY n.nspname = ? DESC, 1, 2
       LIMIT 1000
      """;

  /** What pg_class says; single letters as documented there. */
  record Relation(
      long oid,
      String kind,
      String persistence,
      boolean mayUseSchema,
      boolean maySelect,
      boolean isFiltered,
      boolean idIsUnique,
      List<String> unloggedPartitions) {

    boolean isPartitioned() {
      return kind.equals("p");
    }

    boolean isTable() {
      return kind.equals("r") || kind.equals("p");
    }
  }

  /**
   * What pg_attribute says.
   *
   * @param baseType beneath all domains; empty for none that could be read
   * @param generated empty for an ordinary column; {@code s} stored, {@code v} virtual
   * @param closedSchema of the base type, quoted, if the agent may not name what is in it
   */
  private record ColumnType(
      String baseType, String shown, String generated, int modifier, String closedSchema) {
    boolean isOneOf(Set<String> types) {
      boolean isTooCoarse =
          baseType.equals("timestamp") && modifier >= 0 && modifier <= MILLIS_DIGITS;
      return types.contains(baseType) && !isTooCoarse;
    }
  }

  private TablePreflight() {}

  static Optional<Relation> relation(Connection connection, OutboxTable outbox)
      throws SQLException {
    return CatalogQuery.list(
            connection,
            RELATION,
            TablePreflight::read,
            outbox.mappedColumns().getOrDefault(Column.ID, "id"),
            outbox.schema(),
            outbox.name())
        .stream()
        .findFirst();
  }

  private static Relation read(ResultSet row) throws SQLException {
    return new Relation(
        row.getLong("oid"),
        row.getString("kind"),
        row.getString("persistence"),
        row.getBoolean("may_use_schema"),
        row.getBoolean("may_select"),
        row.getBoolean("is_filtered"),
        row.getBoolean("id_is_unique"),
        CatalogQuery.texts(row, "unlogged_partitions"));
  }

  static Finding missing(Connection connection, SourceConfiguration config, OutboxTable outbox)
      throws SQLException {
    List<String> near = new ArrayList<>();
    List<String> elsewhere = new ArrayList<>();
    CatalogQuery.list(
        connection,
        NEAR_TABLES,
        row ->
            row.getString("schema_name").equals(outbox.schema())
                ? near.add(row.getString("table_name"))
                : elsewhere.add(row.getString("schema_name") + "." + row.getString("table_name")),
        outbox.schema(),
        outbox.name(),
        outbox.schema());
    String hint =
        elsewhere.isEmpty()
            ? NearestName.hint(outbox.name(), near)
            : " (did you mean " + elsewhere.get(0) + "?)";
    return Finding.misconfigured(
        "table %s.%s does not exist in database %s%s"
            .formatted(outbox.schema(), outbox.name(), config.database(), hint),
        "apply schema/postgresql to the database, or correct source.schema and the name in source.table or source.tables");
  }

  static List<Finding> check(
      Connection connection, OutboxTable outbox, SqlNames names, Relation relation)
      throws SQLException {
    List<Finding> findings = new ArrayList<>();
    checkStorage(findings, names, relation);
    checkChildren(findings, connection, names, relation);
    checkPrivileges(findings, names, relation);
    checkColumns(findings, connection, outbox, names, relation);
    if (!relation.idIsUnique()) {
      String id = Identifiers.quoted(outbox.mappedColumns().getOrDefault(Column.ID, "id"));
      findings.add(
          Finding.warning(
              "column %s of %s is not unique: consumers drop a second event with the same id"
                  .formatted(id, names.table()),
              "ALTER TABLE %s ADD PRIMARY KEY (%s)".formatted(names.table(), id)));
    }
    if (findings.isEmpty()) {
      findings.add(Finding.ok("table %s has every column needed".formatted(names.table())));
    }
    return findings;
  }

  private static void checkStorage(List<Finding> findings, SqlNames names, Relation relation) {
    if (!relation.isTable()) {
      findings.add(
          Finding.misconfigured(
              "%s is no table (relkind=%s): only tables and partitioned tables write a log of rows"
                  .formatted(names.table(), relation.kind()),
              "name the table behind it in source"));
    } else if (!relation.persistence().equals("p")) {
      findings.add(unlogged(names.table()));
    }
    relation.unloggedPartitions().forEach(partition -> findings.add(unlogged(partition)));
  }

  /** Partitions are of a partitioned table; what else inherits has a log of its own. */
  private static void checkChildren(
      List<Finding> findings, Connection connection, SqlNames names, Relation relation)
      throws SQLException {
    if (!relation.kind().equals("r")) {
      return;
    }
    String sql =
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS child FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE i.inhparent = CAST(? AS bigint)::oid ORDER BY 1";
    for (String child :
        CatalogQuery.list(connection, sql, row -> row.getString("child"), relation.oid())) {
      String what =
          "table %s inherits from %s: a query of the parent brings its rows too, as older rows, and the log does not"
              .formatted(child, names.table());
      String fix = "ALTER TABLE %s NO INHERIT %s".formatted(child, names.table());
      // With both in the list each of its rows would be two events.
      findings.add(
          names.isOneOfSeveral() ? Finding.misconfigured(what, fix) : Finding.warning(what, fix));
    }
  }

  private static Finding unlogged(String table) {
    return Finding.misconfigured(
        "table %s is UNLOGGED: its rows never reach the log, so they are never published"
            .formatted(table),
        "ALTER TABLE %s SET LOGGED; /* then what was written meanwhile is a gap: %s */"
            .formatted(table, WayOut.RECONCILE));
  }

  private static void checkPrivileges(List<Finding> findings, SqlNames names, Relation relation) {
    if (!relation.mayUseSchema()) {
      findings.add(
          Finding.misconfigured(
              "role %s may not use schema %s".formatted(names.role(), names.schema()),
              "GRANT USAGE ON SCHEMA %s TO %s".formatted(names.schema(), names.role())));
    }
    if (!relation.maySelect()) {
      findings.add(
          Finding.misconfigured(
              "role %s may not read table %s: rows older than the slot, and what has to be healed, come from there"
                  .formatted(names.role(), names.table()),
              "GRANT SELECT ON %s TO %s".formatted(names.table(), names.role())));
    }
    if (relation.isFiltered()) {
      findings.add(filtered(names, names.table()));
    }
  }

  /** Policies hide rows without a word, and a table that looks empty has nothing to publish. */
  static Finding filtered(SqlNames names, String table) {
    return Finding.misconfigured(
        "row level security is on for table %s and applies to role %s: rows its policies hide would never be published"
            .formatted(table, names.role()),
        "ALTER ROLE %s BYPASSRLS; /* as superuser, and it still reads only tables it is granted */"
            .formatted(names.role()));
  }

  private static void checkColumns(
      List<Finding> findings,
      Connection connection,
      OutboxTable outbox,
      SqlNames names,
      Relation relation)
      throws SQLException {
    Map<String, ColumnType> present = new LinkedHashMap<>();
    CatalogQuery.list(
        connection,
        COLUMNS,
        row ->
            present.put(
                row.getString("name"),
                new ColumnType(
                    row.getString("base_type"),
                    row.getString("shown_type"),
                    row.getString("generated"),
                    row.getInt("modifier"),
                    row.getString("closed_schema"))),
        relation.oid());
    checkCase(findings, names, present.keySet());
    outbox
        .mappedColumns()
        .forEach((column, name) -> checkColumn(findings, names, present, column, name));
    if (names.isOneOfSeveral()) {
      checkSharedIds(findings, outbox, names, present);
    }
    for (String name : outbox.extraColumns()) {
      checkExtraColumn(findings, names, present, name);
    }
  }

  /** Debezium refuses such a table in the middle of the log, whichever columns are read. */
  private static void checkCase(
      List<Finding> findings, SqlNames names, Collection<String> columns) {
    Map<String, String> seen = new HashMap<>();
    for (String name : columns) {
      @Nullable String other = seen.putIfAbsent(name.toLowerCase(Locale.ROOT), name);
      if (other != null) {
        findings.add(
            Finding.misconfigured(
                "table %s has columns %s and %s, which differ only by case: its log cannot be read"
                    .formatted(names.table(), Identifiers.quoted(other), Identifiers.quoted(name)),
                "ALTER TABLE %s RENAME COLUMN %s TO %s; /* the one the application can spare, and name it in source.columns */"
                    .formatted(
                        names.table(),
                        Identifiers.quoted(name),
                        Identifiers.quoted(name.toLowerCase(Locale.ROOT) + "_2"))));
      }
    }
  }

  private static void checkColumn(
      List<Finding> findings,
      SqlNames names,
      Map<String, ColumnType> present,
      Column column,
      String name) {
    @Nullable ColumnType type = present.get(name);
    if (type == null) {
      findings.add(
          Finding.misconfigured(
              "table %s has no column %s for %s%s"
                  .formatted(names.table(), name, column, NearestName.hint(name, present.keySet())),
              "ALTER TABLE %s ADD COLUMN %s %s; /* or name the column in source.columns */"
                  .formatted(
                      names.table(),
                      Identifiers.quoted(name),
                      OutboxColumns.definitionOf(column))));
    } else if (!type.generated().isEmpty()) {
      findings.add(generated(names, name, "for " + column, type));
    } else if (!type.isOneOf(OutboxColumns.typesOf(column))) {
      findings.add(wrongType(names, name, type, "for " + column, OutboxColumns.typesOf(column)));
    } else if (column == Column.ID && !type.closedSchema().isEmpty()) {
      // Values of others are read, but never compared with their type's own operators.
      findings.add(
          Finding.misconfigured(
              "role %s may not use schema %s, where the type %s of column %s is: rows could not be found by their id"
                  .formatted(names.role(), type.closedSchema(), type.shown(), name),
              "GRANT USAGE ON SCHEMA %s TO %s".formatted(type.closedSchema(), names.role())));
    }
  }

  /** To consumers an id is of the source, and not of a table. */
  private static void checkSharedIds(
      List<Finding> findings, OutboxTable outbox, SqlNames names, Map<String, ColumnType> present) {
    String name = outbox.mappedColumns().getOrDefault(Column.ID, "id");
    @Nullable ColumnType type = present.get(name);
    if (type == null || type.baseType().equals("uuid")) {
      return;
    }
    if (type.baseType().startsWith("int")) {
      findings.add(
          Finding.misconfigured(
              "column %s of %s has type %s, and source.tables has several tables: consumers would take number 5 of each for the same event, and drop all but the first"
                  .formatted(Identifiers.quoted(name), names.table(), type.shown()),
              "ALTER TABLE %s ADD COLUMN event_id uuid NOT NULL DEFAULT gen_random_uuid(); /* and name it in the columns of the table's entry; or read the table in a pipeline of its own */"
                  .formatted(names.table())));
    } else {
      findings.add(
          Finding.warning(
              "column %s of %s has type %s, and source.tables has several tables: consumers take an id that is in two of them for one event"
                  .formatted(Identifiers.quoted(name), names.table(), type.shown()),
              "use UUIDs, or see to it that no id is in two tables"));
    }
  }

  private static void checkExtraColumn(
      List<Finding> findings, SqlNames names, Map<String, ColumnType> present, String name) {
    @Nullable ColumnType type = present.get(name);
    if (type == null) {
      findings.add(
          Finding.misconfigured(
              "table %s has no column %s of source.extraColumns%s"
                  .formatted(names.table(), name, NearestName.hint(name, present.keySet())),
              "ALTER TABLE %s ADD COLUMN %s text; /* or correct source.extraColumns */"
                  .formatted(names.table(), Identifiers.quoted(name))));
    } else if (!type.generated().isEmpty()) {
      findings.add(generated(names, name, "of source.extraColumns", type));
    } else if (!type.isOneOf(OutboxColumns.EXTRA_TYPES)) {
      findings.add(
          wrongType(names, name, type, "of source.extraColumns", OutboxColumns.EXTRA_TYPES));
    }
  }

  /** The log leaves it out, or has it only where a setting of the publication says so. */
  private static Finding generated(SqlNames names, String name, String use, ColumnType type) {
    String other = "name the column it is computed from in source.columns";
    return Finding.misconfigured(
        "column %s %s is generated: it is in the table, but the log does not have it"
            .formatted(name, use),
        type.generated().equals("s")
            ? "ALTER TABLE %s ALTER COLUMN %s DROP EXPRESSION; /* and write it in the application, or %s */"
                .formatted(names.table(), Identifiers.quoted(name), other)
            : "a virtual column cannot be turned into an ordinary one: %s, or make a column that the application writes"
                .formatted(other));
  }

  private static Finding wrongType(
      SqlNames names, String name, ColumnType type, String use, Set<String> types) {
    String first = OutboxColumns.preferredOf(types);
    return Finding.misconfigured(
        "column %s %s has type %s; readable are %s"
            .formatted(name, use, type.shown(), OutboxColumns.listed(types)),
        "ALTER TABLE %s ALTER COLUMN %s TYPE %s USING %s::%s"
            .formatted(
                names.table(), Identifiers.quoted(name), first, Identifiers.quoted(name), first));
  }
}
