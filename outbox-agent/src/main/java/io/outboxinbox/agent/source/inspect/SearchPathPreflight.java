package io.outboxinbox.agent.source.inspect;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.SourceConfiguration;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Who may create objects in the schemas that the agent's sessions, and the functions beside the
 * outbox, look names up in: an operator or function whose types fit better is taken before the
 * server's own.
 */
final class SearchPathPreflight {
  /**
   * Beside superusers, the owners of server, database, schema and table have the rights already.
   */
  private static final String STRANGERS =
      """
      SELECT pg_catalog.quote_ident(n.nspname::text) AS schema,
             pg_catalog.quote_ident(r.rolname::text) AS role
        FROM pg_namespace n
       CROSS JOIN aclexplode(n.nspacl) a
        LEFT JOIN pg_roles r ON r.oid = a.grantee
       WHERE (n.nspname = ANY (current_schemas(false)) OR n.nspname = ?)
         AND n.nspname <> 'pg_catalog'
         AND a.privilege_type = 'CREATE'
         AND a.grantee <> n.nspowner
         AND (a.grantee = 0
              OR NOT r.rolsuper AND r.rolname NOT IN (current_user, 'pg_database_owner'))
         AND a.grantee NOT IN (SELECT datdba FROM pg_database WHERE datname = current_database()
                                UNION ALL
                               SELECT relowner FROM pg_class
                                WHERE relnamespace = n.oid AND relname = ?)
       ORDER BY n.nspname, a.grantee
      """;

  private SearchPathPreflight() {}

  static List<Finding> check(Connection connection, SourceConfiguration config, SqlNames names)
      throws SQLException {
    List<Finding> strangers =
        CatalogQuery.list(
            connection,
            STRANGERS,
            row -> stranger(row.getString("schema"), row.getString("role"), names),
            config.schema(),
            config.table());
    return strangers.isEmpty()
        ? List.of(Finding.ok("only trusted roles may create objects where names are looked up"))
        : strangers;
  }

  /**
   * A finding about one grant.
   *
   * @param role null for everybody
   */
  private static Finding stranger(String schema, @Nullable String role, SqlNames names) {
    return Finding.warning(
        "%s may create objects in schema %s, which the agent or the outbox's functions search: its own could run with the rights of role %s or of the table's owner"
            .formatted(role == null ? "every login" : "role " + role, schema, names.role()),
        "REVOKE CREATE ON SCHEMA %s FROM %s".formatted(schema, role == null ? "PUBLIC" : role));
  }
}
