package io.outboxinbox.agent.source.inspect;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.Sql;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;

/** Who may write logical messages: the agent must, and everybody else had better not. */
final class MessagePreflight {

  /** Versions differ in how many of these functions they have, and with which arguments. */
  private static final String FUNCTIONS =
      """
      SELECT string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid) AS functions,
             bool_and(has_function_privilege(p.oid, 'EXECUTE')) AS may_agent,
             bool_or(EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                              WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE')) AS may_everybody
        FROM pg_proc p
       WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = 'pg_logical_emit_message'
      """;

  private record Rights(String functions, boolean mayAgent, boolean mayEverybody) {}

  private MessagePreflight() {}

  static List<Finding> check(Connection connection, SqlNames names) throws SQLException {
    Rights rights = CatalogQuery.one(connection, FUNCTIONS, Sql.as(Rights.class));
    String grant = "GRANT EXECUTE ON FUNCTION %s TO %s".formatted(rights.functions(), names.role());
    if (!rights.mayAgent()) {
      return List.of(
          Finding.misconfigured(
              "role %s may not write its sign of life into the log".formatted(names.role()),
              grant));
    }
    if (rights.mayEverybody()) {
      return List.of(
          Finding.warning(
              "every login of database %s may write logical messages (pg_logical_emit_message), and one that is larger than the agent's heap stops the agent"
                  .formatted(names.database()),
              "%s; REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC; /* as superuser, and grant it to each other program that needs it */"
                  .formatted(grant, rights.functions())));
    }
    return List.of(Finding.ok("only those named may write logical messages"));
  }
}
