package io.outboxinbox.agent.source;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.WayOut;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Identifies the tables' membership in the publication, for comparison only. Another mark means
 * that rows may have been written while the publication did not have them: it, or a table's place
 * in it, was dropped, made anew or altered. A change of the publication's owner alters the mark
 * too, which costs a look and no event. Why so: docs/decisions/0005.
 *
 * <p>The mark of one table is that of every version. That of several has a part for each, {@code
 * [oid "name" membership]}: it also says which tables a position covers.
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

  /** The same for several tables, in the order of their ids. */
  private static final String MARK_OF_SEVERAL =
      """
      SELECT pg_catalog.format('publication %s/%s', p.oid, p.xmin)
             || CASE WHEN p.puballtables THEN ' all tables' ELSE '' END
             || (SELECT string_agg(
                          pg_catalog.format(' [%s "%s"', coalesce(c.oid, 0), o.name)
                          || coalesce((SELECT pg_catalog.format(' table %s/%s', r.oid, r.xmin)
                                         FROM pg_publication_rel r
                                        WHERE r.prpubid = p.oid AND r.prrelid = c.oid), '')
                          || coalesce((SELECT pg_catalog.format(' schema %s/%s', s.oid, s.xmin)
                                         FROM pg_publication_namespace s
                                        WHERE s.pnpubid = p.oid AND s.pnnspid = n.oid), '')
                          || coalesce((SELECT pg_catalog.format(' of %s', c.oid)
                                              || CASE WHEN p.puballtables THEN ''
                                                      ELSE pg_catalog.format('/%s', t.xmin) END
                                         FROM pg_type t
                                        WHERE t.oid = c.reltype
                                          AND NOT EXISTS (SELECT FROM pg_publication_rel r
                                                           WHERE r.prpubid = p.oid
                                                             AND r.prrelid = c.oid)), '')
                          || ']', '' ORDER BY c.oid, o.name)
                   FROM pg_catalog.unnest(?::text[]) AS o(name)
                   LEFT JOIN pg_namespace n ON n.nspname = ?
                   LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = o.name)
             AS mark
        FROM pg_publication p
       WHERE p.pubname = ?
      """;

  private static final Pattern PART = Pattern.compile(" \\[(\\d+) \"([^\"]*)\"([^\\]\"]*)]");

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
    return CatalogQuery.first(
            connection, sql(connection, config), row -> row.getString("mark"), parameters(config))
        .orElse(NONE);
  }

  /** A query for the mark, without a row where there is no publication. */
  public static String sql(Connection connection, SourceConfiguration config) throws SQLException {
    String sql = config.outboxes().size() == 1 ? MARK : MARK_OF_SEVERAL;
    int version = connection.getMetaData().getDatabaseMajorVersion() * 10_000;
    return version < SCHEMA_PUBLICATIONS_SINCE
        ? sql.replace("pg_publication_namespace", NO_SCHEMAS)
        : sql;
  }

  /** The parameters of {@link #sql}, in order. */
  public static Object[] parameters(SourceConfiguration config) {
    List<OutboxTable> outboxes = config.outboxes();
    if (outboxes.size() > 1) {
      String[] names = outboxes.stream().map(OutboxTable::name).toArray(String[]::new);
      return new Object[] {names, config.schema(), config.publication()};
    }
    return new Object[] {
      config.schema(),
      outboxes.get(0).name(),
      config.schema(),
      config.schema(),
      outboxes.get(0).name(),
      config.publication()
    };
  }

  /** The mark as it is now, where it says what the one before said; else the one before. */
  public static String completed(String before, String now) {
    return Change.between(before, now).isNone() ? now : before;
  }

  /** Whether tables came or went since: then an operator has to say that this is meant. */
  public static boolean hasOtherTables(String before, String now) {
    Change change = Change.between(before, now);
    return !change.added().isEmpty() || !change.left().isEmpty();
  }

  /** Whether a mark says all that another one says, of the same tables and perhaps of more. */
  public static boolean covers(String mark, String other) {
    if (mark.equals(other)) {
      return true;
    }
    Parsed all = Parsed.of(mark);
    Parsed some = Parsed.of(other);
    return some.isOfOne()
        ? all.parts().stream().map(all::own).anyMatch(other::equals)
        : all.publication().equals(some.publication()) && all.parts().containsAll(some.parts());
  }

  /** Whether two marks are of one publication of a database, whatever it was called and is now. */
  public static boolean areOfOnePublication(String one, String other) {
    int end = one.indexOf('/');
    return end > 0 && other.startsWith(one.substring(0, end + 1));
  }

  /** What another mark than before means; nothing where it says the same. */
  public static List<Finding> compare(SourceConfiguration source, String before, String now) {
    Change change = Change.between(before, now);
    if (!change.isOfKnown()) {
      return List.of(edited(source, source.tableNames(), before, now));
    }
    Finding.Collector findings = new Finding.Collector();
    if (!change.altered().isEmpty()) {
      findings.add(edited(source, String.join(", ", change.altered()), before, now));
    }
    for (String table : change.added()) {
      findings.gap(
          "table %s is read from now on, and the last position does not cover it: rows it has already are in no stream"
              .formatted(table),
          WayOut.RECONCILE_ONCE);
    }
    for (String table : change.left()) {
      findings.gap(
          "table %s is covered by the last position and not read any more: rows of it that are not published yet, and those it gets, would never be"
              .formatted(table),
          "name it in source.tables again, or, to give it up: " + WayOut.RECONCILE_ONCE);
    }
    return findings.found();
  }

  private static Finding edited(
      SourceConfiguration source, String tables, String before, String now) {
    return Finding.gap(
        "publication %s was altered or created again, or table %s was taken out and put back, or is another one, since the last position (mark %s, now %s); rows written in between are in no stream"
            .formatted(source.publication(), tables, before, now),
        WayOut.RECONCILE);
  }

  /** Whether a mark says what another one says, and perhaps what earlier versions left out. */
  public static boolean isSameOrMore(String before, String now) {
    return now.equals(before) || now.startsWith(before + TABLE);
  }

  /**
   * One table of a mark of several.
   *
   * @param oid 0 where there is no such table
   */
  public record Part(long oid, String name, String membership) {
    public boolean isSameTable(Part other) {
      return oid == other.oid() && oid > 0;
    }
  }

  /**
   * A mark taken apart.
   *
   * @param publication all of it where it is of one table
   * @param parts none where it is of one table
   */
  public record Parsed(String publication, List<Part> parts) {
    public static Parsed of(String mark) {
      Matcher part = PART.matcher(mark);
      List<Part> parts = new ArrayList<>();
      int end = mark.length();
      while (part.find()) {
        end = parts.isEmpty() ? part.start() : end;
        parts.add(new Part(Long.parseLong(part.group(1)), part.group(2), part.group(3)));
      }
      return new Parsed(mark.substring(0, end), parts);
    }

    public boolean isOfOne() {
      return parts.isEmpty();
    }

    /** The mark that one of the tables has where it is the only one. */
    public String own(Part part) {
      return publication + part.membership();
    }

    /** The part that is meant; none where it may be one or another: old marks name no table. */
    public Optional<Part> only(Predicate<Part> isIt) {
      List<Part> found = parts.stream().filter(isIt).toList();
      return found.size() == 1 ? Optional.of(found.get(0)) : Optional.empty();
    }

    public Optional<Part> first(Predicate<Part> isIt) {
      return parts.stream().filter(isIt).findFirst();
    }
  }

  /**
   * What became of the tables of a mark.
   *
   * @param isOfKnown false where they are of two publications, or nothing of one is in the other
   * @param altered names of those that were, or are others
   */
  private record Change(
      boolean isOfKnown, List<String> altered, List<String> added, List<String> left) {
    private static final Change NONE = new Change(true, List.of(), List.of(), List.of());

    boolean isNone() {
      return equals(NONE);
    }

    static Change between(String before, String now) {
      if (isSameOrMore(before, now)) {
        return NONE;
      }
      Parsed old = Parsed.of(before);
      Parsed current = Parsed.of(now);
      if (old.isOfOne() && current.isOfOne()) {
        return new Change(false, List.of(), List.of(), List.of());
      }
      if (old.isOfOne()) {
        Optional<Part> only = current.only(part -> isSameOrMore(before, current.own(part)));
        return ofOne(current, part -> only.filter(part::equals).isPresent(), true);
      }
      if (current.isOfOne()) {
        return ofOne(old, part -> isSameOrMore(old.own(part), now), false);
      }
      Change change = between(old, current);
      return old.publication().equals(current.publication())
          ? change
          : new Change(false, List.of(), change.added(), change.left());
    }

    /** One of several is the only one of the other mark; the rest came or went. */
    private static Change ofOne(Parsed several, Predicate<Part> isIt, boolean isNow) {
      List<String> others = several.parts().stream().filter(isIt.negate()).map(Part::name).toList();
      boolean isKnown = others.size() < several.parts().size();
      return isNow
          ? new Change(isKnown, List.of(), others, List.of())
          : new Change(isKnown, List.of(), List.of(), others);
    }

    private static Change between(Parsed old, Parsed current) {
      List<Part> gone = new ArrayList<>(old.parts());
      List<String> altered = new ArrayList<>();
      List<String> added = new ArrayList<>();
      for (Part now : current.parts()) {
        // A renamed table keeps its id, and one that was made anew has the name.
        Optional<Part> before =
            old.first(now::isSameTable).or(() -> old.first(part -> part.name().equals(now.name())));
        before.ifPresent(gone::remove);
        if (before.isEmpty()) {
          added.add(now.name());
        } else if (!now.isSameTable(before.get())
            || !isSameOrMore(before.get().membership(), now.membership())) {
          altered.add(now.name());
        }
      }
      return new Change(true, altered, added, gone.stream().map(Part::name).toList());
    }
  }
}
