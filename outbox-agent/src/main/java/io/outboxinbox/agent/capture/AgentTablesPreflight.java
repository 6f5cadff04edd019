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
          "outbox_parked", List.of("SELECT", "INSERT", "UPDATE", "DELETE"));

  private static final String PRIVILEGES =
      """
      SELECT c.relname AS name,
             ARRAY(SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p
                    WHERE has_table_privilege(c.oid, p)) AS privileges
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = ?
         AND c.relname IN ('outbox_agent_source', 'outbox_backlog', 'outbox_parked')
         AND c.relkind IN ('r', 'p')
      """;

  private AgentTablesPreflight() {}

  static List<Finding> check(Connection connection, SourceConfiguration config, SqlNames names)
      throws SQLException {
    Map<String, List<String>> present = new LinkedHashMap<>();
    CatalogQuery.list(
        connection,
        PRIVILEGES,
        row -> present.put(row.getString("name"), CatalogQuery.texts(row, "privileges")),
        config.schema());
    List<Finding> findings = new ArrayList<>();
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
    return findings;
  }
}
