package io.outboxinbox.agent.source.inspect;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.OutboxTable;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Who may create objects in the schema that the functions beside the outbox look names up in: an
 * operator or function whose types fit better is taken before the server's own. The agent's own
 * sessions look up nothing outside {@code pg_catalog}.
 */
final class SearchPathPreflight {
  /**
   * Beside superusers, the owners of server, database and table have the rights already. Whoever
   * owns the schema may create objects in it as well.
   */
  private static final String STRANGERS =
      """
      SELECT pg_catalog.quote_ident(r.rolname::text) AS role,
             a.grantee = n.nspowner AS is_owner,
             pg_catalog.quote_ident(pg_get_userbyid(c.relowner)::text) AS table_owner
        FROM pg_namespace n
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = ?
       CROSS JOIN LATERAL (
               SELECT grantee FROM aclexplode(n.nspacl) WHERE privilege_type = 'CREATE'
                UNION SELECT n.nspowner) a
        LEFT JOIN pg_roles r ON r.oid = a.grantee
       WHERE n.nspname = ?
         AND (a.grantee = 0
              OR NOT r.rolsuper AND r.rolname NOT IN (current_user, 'pg_database_owner'))
         AND a.grantee NOT IN (SELECT datdba FROM pg_database WHERE datname = current_database()
                                UNION ALL SELECT c.relowner)
       ORDER BY is_owner DESC, a.grantee
      """;

  private SearchPathPreflight() {}

  static List<Finding> check(Connection connection, OutboxTable outbox, SqlNames names)
      throws SQLException {
    List<Finding> strangers =
        CatalogQuery.list(
            connection,
            STRANGERS,
            row ->
                stranger(
                    row.getString("role"),
                    row.getBoolean("is_owner") ? row.getString("table_owner") : null,
                    names),
            outbox.name(),
            outbox.schema());
    return strangers.isEmpty()
        ? List.of(Finding.ok("only trusted roles may create objects where names are looked up"))
        : strangers;
  }

  /**
   * A finding about one who may.
   *
   * @param role null for everybody
   * @param betterOwner of the schema, where the role owns it; else null
   */
  private static Finding stranger(
      @Nullable String role, @Nullable String betterOwner, SqlNames names) {
    String schema = names.schema();
    return Finding.warning(
        "%s may create objects in schema %s, which the outbox's functions search: what it creates could run with the rights of the table's owner, or of role %s which calls some of them"
            .formatted(role == null ? "every login" : "role " + role, schema, names.role()),
        betterOwner == null
            ? "REVOKE CREATE ON SCHEMA %s FROM %s;"
                .formatted(schema, role == null ? "PUBLIC" : role)
            : "ALTER SCHEMA %s OWNER TO %s; GRANT USAGE ON SCHEMA %1$s TO %s; /* as superuser; %3$s creates nothing there any more: if it has to, such as in migrations, give the outbox a schema of its own instead */"
                .formatted(schema, betterOwner, role));
  }
}
