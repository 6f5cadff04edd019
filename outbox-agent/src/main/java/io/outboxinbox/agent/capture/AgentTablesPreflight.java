package io.outboxinbox.agent.capture;

import io.outboxinbox.agent.event.Finding;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The agent's own tables beside the outbox. */
final class AgentTablesPreflight {
  /** Table to the privileges the agent uses on it. */
  private static final Map<String, List<String>> NEEDED =
      Map.of(
          "outbox_agent_source", List.of("SELECT", "INSERT", "UPDATE"),
          "outbox_backlog", List.of("SELECT", "INSERT", "DELETE"),
          "outbox_parked", List.of("SELECT", "INSERT", "UPDATE", "DELETE"),
          "outbox_reconciliation", List.of("SELECT", "INSERT", "UPDATE"),
          "outbox_phantom", List.of("SELECT", "INSERT", "DELETE"));

  private static final String PRIVILEGES =
      """
      SELECT c.relname AS name,
             row_security_active(c.oid) AS is_filtered,
             ARRAY(SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p
                    WHERE has_table_privilege(c.oid, p)) AS privileges
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = ?
         AND c.relname IN ('outbox_agent_source', 'outbox_backlog', 'outbox_parked',
                           'outbox_reconciliation', 'outbox_phantom')
         AND c.relkind IN ('r', 'p')
      """;

  /** Tables made by an earlier version lack columns until the file is applied again. */
  private static final String PAUSE_COLUMNS =
      """
      SELECT count(*) AS columns
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = ?
         AND c.relname = 'outbox_agent_source'
         AND NOT a.attisdropped
         AND a.attname IN ('paused_at', 'paused_by', 'paused_reason')
      """;

  private static final int PAUSE_COLUMN_COUNT = 3;

  private AgentTablesPreflight() {}

  static List<Finding> check(Connection connection, SourceConfiguration config, SqlNames names)
      throws SQLException {
    Map<String, List<String>> present = new LinkedHashMap<>();
    List<Finding> findings = new ArrayList<>();
    CatalogQuery.list(
        connection,
        PRIVILEGES,
        row -> {
          String name = row.getString("name");
          if (row.getBoolean("is_filtered")) {
            findings.add(TablePreflight.filtered(names, names.schema() + "." + name));
          }
          return present.put(name, CatalogQuery.texts(row, "privileges"));
        },
        config.schema());
    NEEDED.forEach(
        (table, privileges) -> {
          String name = names.schema() + "." + table;
          @Nullable List<String> granted = present.get(table);
          if (granted == null) {
            findings.add(
                Finding.misconfigured(
                    "the agent's table %s does not exist".formatted(name),
                    "apply schema/postgresql to schema " + names.schema()));
          } else if (!granted.containsAll(privileges)) {
            List<String> missing = new ArrayList<>(privileges);
            missing.removeAll(granted);
            String verbs = String.join(", ", missing);
            findings.add(
                Finding.misconfigured(
                    "role %s lacks %s on the agent's table %s".formatted(names.role(), verbs, name),
                    "GRANT %s ON %s TO %s".formatted(verbs, name, names.role())));
          }
        });
    int columns =
        CatalogQuery.one(connection, PAUSE_COLUMNS, row -> row.getInt("columns"), config.schema());
    if (present.containsKey("outbox_agent_source") && columns < PAUSE_COLUMN_COUNT) {
      findings.add(
          Finding.misconfigured(
              "the agent's table %s.outbox_agent_source was made by an earlier version and lacks paused_at, paused_by or paused_reason"
                  .formatted(names.schema()),
              "apply schema/postgresql/04_agent.sql to schema %s again".formatted(names.schema())));
    }
    return findings;
  }
}
