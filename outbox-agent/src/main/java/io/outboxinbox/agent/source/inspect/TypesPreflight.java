package io.outboxinbox.agent.source.inspect;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.source.CatalogQuery;
import io.outboxinbox.agent.source.Identifiers;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;

/**
 * Types of the database that keep Debezium from starting, whoever uses them: it reads all there
 * are, and takes whatever has the category of enums for an enum with labels of its own. A domain
 * inherits the category and not the labels (TypeRegistry.createTypeBuilderFromResultSet of 3.6.1;
 * mended in debezium/debezium pull request 7929).
 */
final class TypesPreflight {
  /**
   * Latest first: a domain may rest on an earlier one. As many as show what they have in common.
   * The enum beneath all domains takes their place, so that each finding's statements run whatever
   * was run before; a column without a default of its own has that of the domain.
   */
  private static final String WITHOUT_LABELS =
      """
      SELECT pg_catalog.format('%I.%I', n.nspname, t.typname) AS name,
             t.typtype::text AS kind,
             base.name AS base,
             coalesce((SELECT pg_catalog.string_agg(
                         pg_catalog.format('ALTER TABLE %I.%I ALTER COLUMN %I TYPE %s', cn.nspname,
                           c.relname, a.attname, base.name)
                         || CASE WHEN t.typdefaultbin IS NOT NULL AND NOT a.atthasdef THEN
                              pg_catalog.format(', ALTER COLUMN %I SET DEFAULT %s', a.attname,
                                pg_catalog.pg_get_expr(t.typdefaultbin, 0)) ELSE '' END
                         || CASE WHEN base.forbids_null THEN
                              pg_catalog.format(', ALTER COLUMN %I SET NOT NULL', a.attname)
                              ELSE '' END
                         || '; ', '' ORDER BY c.oid, a.attnum)
                         FROM pg_catalog.pg_attribute a
                         JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
                         JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
                        WHERE a.atttypid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
                          AND a.attinhcount = 0), '') AS columns
        FROM pg_catalog.pg_type t
        JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
       CROSS JOIN LATERAL (
               WITH RECURSIVE beneath AS (
                 SELECT t.oid AS type, t.typtype AS kind, t.typbasetype AS base,
                        t.typnotnull AS forbids_null
                  UNION ALL
                 SELECT u.oid, u.typtype, u.typbasetype, u.typnotnull
                   FROM beneath b JOIN pg_catalog.pg_type u ON u.oid = b.base)
               SELECT pg_catalog.max(pg_catalog.format_type(type, NULL)) FILTER (WHERE kind <> 'd')
                        AS name,
                      pg_catalog.bool_or(forbids_null) AS forbids_null
                 FROM beneath) base
       WHERE t.typcategory = 'E' AND n.nspname <> 'pg_toast'
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid)
       ORDER BY t.oid DESC
       LIMIT 20
      """;

  private TypesPreflight() {}

  static List<Finding> check(Connection connection) throws SQLException {
    List<Finding> found = CatalogQuery.list(connection, WITHOUT_LABELS, TypesPreflight::finding);
    return found.isEmpty() ? List.of(Finding.ok("all types can be read")) : found;
  }

  private static Finding finding(ResultSet row) throws SQLException {
    String name = row.getString("name");
    return switch (row.getString("kind")) {
      case "d" ->
          found(
              "domain %s is over %s, an enum".formatted(name, row.getString("base")),
              "%sDROP DOMAIN %s; /* the enum takes its place, with default and NOT NULL; what its CHECKs forbid, the tables have to */"
                  .formatted(row.getString("columns"), name));
      case "e" ->
          found(
              "enum %s has no labels".formatted(name),
              "ALTER TYPE %s ADD VALUE 'unused'; /* or drop it */".formatted(name));
      default ->
          found(
              "type %s has the category of enums and is none".formatted(name),
              "UPDATE pg_catalog.pg_type SET typcategory = 'U' WHERE oid = %s::regtype; /* as superuser */"
                  .formatted(Identifiers.literal(name)));
    };
  }

  private static Finding found(String what, String fix) {
    return Finding.misconfigured(
        what + ": Debezium reads the types of all schemas and cannot start beside such a one", fix);
  }
}
