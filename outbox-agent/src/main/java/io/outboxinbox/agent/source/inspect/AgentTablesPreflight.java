package io.outboxinbox.agent.source.inspect;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.source.AgentTables;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.SourceConfiguration;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The agent's own tables beside the outbox. */
final class AgentTablesPreflight {
  /** Columns a later version added; they are missing until the file is applied again. */
  private static final Map<String, List<String>> ADDED =
      Map.of(
          "outbox_agent_source",
              List.of(
                  "paused_at",
                  "paused_by",
                  "paused_reason",
                  "topics",
                  "topics_since",
                  "former_ids",
                  "slot"),
          "outbox_backlog", List.of("source_table"),
          "outbox_reconciliation", List.of("notes"),
          "outbox_parked", List.of("destination", "destination_rule", "source_table"));

  /** Without them all is right, but with many rows slow. */
  static final List<String> INDEXES =
      List.of(
          "outbox_backlog_id",
          "outbox_parked_key",
          "outbox_parked_release",
          "outbox_parked_requested",
          "outbox_parked_settled");

  /** Of an earlier version: an entry holds 2,700 bytes at most, and an id or key may be longer. */
  static final List<String> OLD_INDEXES =
      List.of("outbox_backlog_event", "outbox_parked_lane", "outbox_parked_waiting");

  /** An old one counts in whatever state: even one that is not valid may have to take rows. */
  private static final String INDEX_STATES =
      """
      SELECT c.relname::text AS name, i.indisvalid AS is_valid
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_class t ON t.oid = i.indrelid
        JOIN pg_namespace n ON n.oid = t.relnamespace
       WHERE n.nspname = ? AND t.relname IN ('outbox_backlog', 'outbox_parked')
      """;

  private static final String TABLES =
      """
      SELECT c.relname AS name,
             row_security_active(c.oid) AS is_filtered,
             ARRAY(SELECT p FROM pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p
                    WHERE has_table_privilege(c.oid, p)) AS privileges,
             ARRAY(SELECT a.attname::text FROM pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = ?
         AND c.relname LIKE 'outbox\\_%'
         AND c.relkind IN ('r', 'p')
      """;

  private AgentTablesPreflight() {}

  static List<Finding> check(
      Connection connection, SourceConfiguration config, SqlNames names, boolean keepsPositions)
      throws SQLException {
    Map<String, List<String>> needed = new LinkedHashMap<>(AgentTables.PRIVILEGES);
    if (keepsPositions) {
      needed.putAll(AgentTables.OF_POSITIONS);
    }
    Map<String, List<String>> present = new LinkedHashMap<>();
    Map<String, List<String>> columns = new LinkedHashMap<>();
    Finding.Collector findings = new Finding.Collector();
    CatalogQuery.list(
        connection,
        TABLES,
        row -> {
          String name = row.getString("name");
          columns.put(name, CatalogQuery.texts(row, "columns"));
          if (needed.containsKey(name) && row.getBoolean("is_filtered")) {
            findings.add(TablePreflight.filtered(names, names.schema() + "." + name));
          }
          return present.put(name, CatalogQuery.texts(row, "privileges"));
        },
        config.schema());
    needed.forEach(
        (table, privileges) -> {
          String name = names.schema() + "." + table;
          @Nullable List<String> granted = present.get(table);
          if (granted == null) {
            findings.misconfigured(
                "the agent's table %s does not exist".formatted(name),
                "apply schema/postgresql to schema " + names.schema());
          } else if (!granted.containsAll(privileges)) {
            List<String> missing = new ArrayList<>(privileges);
            missing.removeAll(granted);
            String verbs = String.join(", ", missing);
            findings.misconfigured(
                "role %s lacks %s on the agent's table %s".formatted(names.role(), verbs, name),
                "GRANT %s ON %s TO %s".formatted(verbs, name, names.role()));
          }
        });
    ADDED.forEach(
        (table, added) -> {
          List<String> missing = new ArrayList<>(added);
          missing.removeAll(columns.getOrDefault(table, added));
          if (!missing.isEmpty()) {
            findings.misconfigured(
                "the agent's table %s.%s was made by an earlier version and lacks %s"
                    .formatted(names.schema(), table, String.join(", ", missing)),
                applyAgain(names));
          }
        });
    if (present.keySet().containsAll(List.of("outbox_backlog", "outbox_parked"))) {
      checkIndexes(findings, connection, config, names);
    }
    return findings.found();
  }

  private static void checkIndexes(
      Finding.Collector findings, Connection connection, SourceConfiguration config, SqlNames names)
      throws SQLException {
    Map<String, Boolean> isValid = new LinkedHashMap<>();
    CatalogQuery.list(
        connection,
        INDEX_STATES,
        row -> isValid.put(row.getString("name"), row.getBoolean("is_valid")),
        config.schema());
    List<String> old = OLD_INDEXES.stream().filter(isValid::containsKey).toList();
    if (!old.isEmpty()) {
      findings.misconfigured(
          "indexes %s of an earlier version are still in schema %s: an event with a long id or key would hold up all others"
              .formatted(String.join(", ", old), names.schema()),
          applyAgain(names));
    }
    List<String> missing =
        INDEXES.stream().filter(name -> !isValid.getOrDefault(name, false)).toList();
    if (!missing.isEmpty()) {
      findings.warning(
          "indexes %s are missing or invalid in schema %s: with many rows the agent's statements take long"
              .formatted(String.join(", ", missing), names.schema()),
          applyAgain(names));
    }
  }

  private static String applyAgain(SqlNames names) {
    return "apply schema/postgresql/04_agent.sql to schema %s again".formatted(names.schema());
  }
}
