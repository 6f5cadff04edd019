package io.outboxinbox.agent.source;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.WayOut;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;

/**
 * Identifies the table's membership in the publication, for comparison only. Another mark means
 * that rows may have been written while the publication did not have them: it, or the table's place
 * in it, was dropped, made anew or altered. A change of the publication's owner alters the mark
 * too, which costs a look and no event. Why so: docs/decisions/0005.
 */
public final class PublicationMark {
  /**
   * Object ids change when publication or membership are made anew, xmin also when the publication
   * is altered: {@code publish} or a filter may have hidden rows for a while. xmin survives
   * freezing (PostgreSQL 9.4 on), so vacuum does not change the mark.
   *
   * <p>A table that is published without being named has no membership of its own. Then the mark
   * has its id; and of a published schema what changes when the table leaves it and comes back: the
   * type of its rows, which is moved, renamed and given away with it, and altered by little else.
   */
  private static final String MARK =
      """
      SELECT pg_catalog.format('publication %s/%s', p.oid, p.xmin)
             || CASE WHEN p.puballtables THEN ' all tables' ELSE '' END
             || coalesce((SELECT pg_catalog.format(' table %s/%s', r.oid, r.xmin)
                            FROM pg_publication_rel r
                            JOIN pg_class c ON c.oid = r.prrelid
                            JOIN pg_namespace n ON n.oid = c.relnamespace
                           WHERE r.prpubid = p.oid AND n.nspname = ? AND c.relname = ?), '')
             || coalesce((SELECT pg_catalog.format(' schema %s/%s', s.oid, s.xmin)
                            FROM pg_publication_namespace s
                            JOIN pg_namespace n ON n.oid = s.pnnspid
                           WHERE s.pnpubid = p.oid AND n.nspname = ?), '')
             || coalesce((SELECT pg_catalog.format(' of %s', c.oid)
                                 || CASE WHEN p.puballtables THEN ''
                                         ELSE pg_catalog.format('/%s', t.xmin) END
                            FROM pg_class c
                            JOIN pg_namespace n ON n.oid = c.relnamespace
                            JOIN pg_type t ON t.oid = c.reltype
                           WHERE n.nspname = ? AND c.relname = ?
                             AND NOT EXISTS (SELECT FROM pg_publication_rel r
                                              WHERE r.prpubid = p.oid AND r.prrelid = c.oid)), '')
             AS mark
        FROM pg_publication p
       WHERE p.pubname = ?
      """;

  /** Publishing by schema exists from 15 on; before, a table nobody has stands in for it. */
  private static final String NO_SCHEMAS =
      "(SELECT 0 AS oid, 0 AS xmin, 0::oid AS pnpubid, 0::oid AS pnnspid WHERE false)";

  /** What follows is in no mark of earlier versions. */
  private static final String TABLE = " of ";

  /** Where there is no publication. */
  public static final String NONE = "none";

  private static final int SCHEMA_PUBLICATIONS_SINCE = 150000;

  private PublicationMark() {}

  /**
   * The mark as it is now.
   *
   * @return {@code none} without publication
   * @throws SQLException the connection broke or an answer took too long; look again later
   */
  public static String of(Connection connection, SourceConfiguration config) throws SQLException {
    return CatalogQuery.list(
            connection, sql(connection), row -> row.getString("mark"), parameters(config))
        .stream()
        .findFirst()
        .orElse(NONE);
  }

  /** A query for the mark, without a row where there is no publication. */
  public static String sql(Connection connection) throws SQLException {
    int version = connection.getMetaData().getDatabaseMajorVersion() * 10_000;
    return version < SCHEMA_PUBLICATIONS_SINCE
        ? MARK.replace("pg_publication_namespace", NO_SCHEMAS)
        : MARK;
  }

  /** The parameters of {@link #sql}, in order. */
  public static Object[] parameters(SourceConfiguration config) {
    return new Object[] {
      config.schema(),
      config.outboxes().get(0).name(),
      config.schema(),
      config.schema(),
      config.outboxes().get(0).name(),
      config.publication()
    };
  }

  /** The mark as it is now, where it says what the one before said; else the one before. */
  public static String completed(String before, String now) {
    return now.startsWith(before + TABLE) ? now : before;
  }

  /** Whether two marks are of one publication of a database, whatever it was called and is now. */
  public static boolean areOfOnePublication(String one, String other) {
    int end = one.indexOf('/');
    return end > 0 && other.startsWith(one.substring(0, end + 1));
  }

  /** What another mark than before means; nothing where it says the same. */
  public static List<Finding> compare(SourceConfiguration source, String before, String now) {
    return completed(before, now).equals(now) ? List.of() : List.of(edited(source, before, now));
  }

  private static Finding edited(SourceConfiguration source, String before, String now) {
    return Finding.gap(
        "publication "
            + source.publication()
            + " was altered or created again, or table "
            + source.tableNames()
            + " was taken out and put back, or is another one, since the last position (mark "
            + before
            + ", now "
            + now
            + "); rows written in between are in no stream",
        WayOut.RECONCILE);
  }
}
