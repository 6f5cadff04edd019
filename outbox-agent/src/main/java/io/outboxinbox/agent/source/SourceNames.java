package io.outboxinbox.agent.source;

import io.outboxinbox.agent.event.SourceIdentity;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;

/**
 * Names the agent chooses where the configuration has none. Publications belong to a whole database
 * and slots to a whole server, so a name that everybody has by default would be somebody else's.
 * What an installation has under the one name of earlier versions stays in use.
 */
public final class SourceNames {
  /** What every publication and every slot was called by default before names differed. */
  private static final String FIRST_PUBLICATION = "outbox_publication";

  private static final String FIRST_SLOT = "outbox_agent";

  private static final String DEFAULT_SCHEMA = "public";
  private static final int IDENTIFIER_MAX = 63;
  private static final int HASH_DIGITS = 8;

  private static final String REGISTRY =
      """
      SELECT EXISTS (
        SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = ? AND c.relname = 'outbox_agent_source'
           AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))
      """;

  private static final String OF_ITS_TABLES =
      """
      SELECT coalesce(bool_and(%s), false)
        FROM pg_publication p
        JOIN pg_publication_rel r ON r.prpubid = p.oid
        JOIN pg_class c ON c.oid = r.prrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE p.pubname = ?
      """;

  /** Whether the publication names these tables and no others, but not whether all of them. */
  private static final String IS_ALONE =
      OF_ITS_TABLES.formatted("n.nspname = ? AND c.relname = ANY (?)");

  /** Whether the publication names tables, and none of these is among them. */
  private static final String IS_OF_OTHERS =
      OF_ITS_TABLES.formatted("n.nspname <> ? OR c.relname <> ALL (?)");

  private static final String HAS_SLOT =
      """
      SELECT EXISTS (SELECT FROM pg_replication_slots
                      WHERE slot_name = ? AND database = current_database())
      """;

  /** Null too where the column is missing, of which the preflight tells. */
  private static final String NOTED_SLOT =
      """
      SELECT pg_catalog.to_jsonb(known) ->> 'slot' FROM %s AS known
       WHERE source = (SELECT system_identifier::text FROM pg_control_system()) || ?
      """;

  private SourceNames() {}

  /**
   * Whether there is a name for the publication of these tables that nobody chose: they are one, or
   * {@code outbox_event} is among them. The order of a list must not decide: a publication is a
   * source, and in another order it would be another.
   */
  static boolean canName(List<OutboxTable> tables) {
    return tables.size() == 1 || hasOurs(tables);
  }

  private static boolean hasOurs(List<OutboxTable> tables) {
    return tables.stream().anyMatch(table -> table.name().equals(OutboxTable.OURS));
  }

  /** The name of the publication of these tables, where {@link #canName} says there is one. */
  static String publication(String schema, List<OutboxTable> tables) {
    return publication(schema, hasOurs(tables) ? OutboxTable.OURS : tables.get(0).name());
  }

  /** For table {@code outbox_event} as {@code schema/postgresql/03_publication.sql} names it. */
  static String publication(String schema, String table) {
    boolean isDefaultTable = table.equals(OutboxTable.OURS);
    if (schema.equals(DEFAULT_SCHEMA)) {
      return isDefaultTable ? FIRST_PUBLICATION : publication(table);
    }
    // Where the schema ends and the table begins, the name alone does not say.
    return isDefaultTable
        ? publication(schema)
        : hashed(
            FIRST_PUBLICATION + "_" + plain(schema) + "_" + plain(table), schema + "." + table);
  }

  private static String publication(String of) {
    String name = FIRST_PUBLICATION + "_" + plain(of);
    return plain(of).equals(of) && name.length() <= IDENTIFIER_MAX ? name : hashed(name, of);
  }

  /** Names of publications must not need quotes, see {@link SourceConfiguration}. */
  private static String plain(String name) {
    return name.replaceAll("[^a-zA-Z0-9_]+", "_").toLowerCase(Locale.ROOT);
  }

  private static String hashed(String name, String of) {
    int room = IDENTIFIER_MAX - HASH_DIGITS - 1;
    return name.substring(0, Math.min(name.length(), room)) + "_" + hash(of);
  }

  /** A slot of its own for each database and publication of a server. */
  static String slot(String database, String publication) {
    String plain = FIRST_SLOT + "_" + database;
    boolean isPlain = plain.matches("[a-z0-9_]{1,63}") && publication.equals(FIRST_PUBLICATION);
    if (isPlain) {
      return plain;
    }
    String readable = plain.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9_]", "_");
    return hashed(readable, database + "/" + publication);
  }

  private static String hash(String text) {
    return UUID.nameUUIDFromBytes(text.getBytes(StandardCharsets.UTF_8))
        .toString()
        .substring(0, HASH_DIGITS);
  }

  /**
   * The same source with the names that hold in this database.
   *
   * @param connection to the source database
   * @return names that the configuration gives stay as they are
   * @throws SQLException the connection broke or an answer took too long
   */
  public static SourceConfiguration resolved(Connection connection, SourceConfiguration source)
      throws SQLException {
    if (source.namesPublication() && source.namesSlot()) {
      return source;
    }
    Registered registered =
        new Registered(
            connection,
            Identifiers.qualified(source.schema(), "outbox_agent_source"),
            CatalogQuery.one(connection, REGISTRY, row -> row.getBoolean(1), source.schema()));
    SourceConfiguration published =
        source.withNames(publication(connection, source, registered), source.slotOrNull());
    return published.withNames(published.publication(), slot(connection, published, registered));
  }

  /**
   * Which source the connected database is.
   *
   * @throws SQLException the connection broke or an answer took too long
   */
  public static SourceIdentity identify(Connection connection, SourceConfiguration source)
      throws SQLException {
    SourceConfiguration named = resolved(connection, source);
    return Sql.one(
        connection,
        "SELECT system_identifier::text FROM pg_control_system()",
        row -> identity(row.getString(1), named));
  }

  /**
   * The source on a cluster.
   *
   * @param named with the names that hold in the database, as {@link #resolved} gives them
   */
  public static SourceIdentity identity(String systemId, SourceConfiguration named) {
    return new SourceIdentity(systemId, named.database(), named.publication());
  }

  /** What the agent's own table in the schema of the outbox knows. */
  private record Registered(Connection connection, String table, boolean isReadable) {
    /** Whether an agent of this schema ever got as far as the condition says. */
    boolean has(SourceConfiguration source, String publication, String condition)
        throws SQLException {
      if (!isReadable) {
        return false;
      }
      String ending = ending(source, publication);
      return CatalogQuery.one(
          connection,
          "SELECT EXISTS (SELECT FROM %s WHERE right(source, length(?)) = ? AND %s)"
              .formatted(table, condition),
          row -> row.getBoolean(1),
          ending,
          ending);
    }

    /**
     * The slot that is noted as this source's own: empty for none, absent where nothing is noted.
     */
    Optional<String> notedSlot(SourceConfiguration source) throws SQLException {
      return isReadable
          ? CatalogQuery.list(
                  connection,
                  NOTED_SLOT.formatted(table),
                  row -> Optional.ofNullable(row.getString(1)),
                  ending(source, source.publication()))
              .stream()
              .flatMap(Optional::stream)
              .findFirst()
          : Optional.empty();
    }

    private static String ending(SourceConfiguration source, String publication) {
      return "/" + source.database() + "/" + publication;
    }
  }

  private static String publication(
      Connection connection, SourceConfiguration source, Registered registered)
      throws SQLException {
    if (source.namesPublication() || source.publication().equals(FIRST_PUBLICATION)) {
      return source.publication();
    }
    boolean isOurs;
    if (hasOurs(source.outboxes())) {
      // The position is kept under the publication's name, so a source that has one keeps both,
      // also while its table is out of the publication. Without a position, only a publication
      // that has no table of others can be meant.
      isOurs =
          registered.has(source, FIRST_PUBLICATION, "seeded_at IS NOT NULL")
              || asks(connection, source, IS_ALONE);
    } else {
      // Made by hand, by that name as a rule; and who else has a position is not known, because
      // tables of one schema share what the agent's own table knows.
      // One that has begun under its own name keeps it when its table joins another pipeline.
      isOurs =
          !asks(connection, source, IS_OF_OTHERS)
              && !registered.has(
                  source,
                  source.publication(),
                  "seeded_at IS NOT NULL AND EXISTS (SELECT FROM pg_publication WHERE pubname = %s)"
                      .formatted(Identifiers.literal(source.publication())));
    }
    return isOurs ? FIRST_PUBLICATION : source.publication();
  }

  private static boolean asks(Connection connection, SourceConfiguration source, String question)
      throws SQLException {
    return CatalogQuery.one(
        connection,
        question,
        row -> row.getBoolean(1),
        source.schema(),
        source.outboxes().stream().map(OutboxTable::name).toArray(String[]::new),
        FIRST_PUBLICATION);
  }

  private static String slot(
      Connection connection, SourceConfiguration source, Registered registered)
      throws SQLException {
    if (source.namesSlot()) {
      return source.slot();
    }
    Optional<String> noted = registered.notedSlot(source);
    if (noted.isPresent()) {
      return noted.get().isEmpty() ? source.slot() : noted.get();
    }
    boolean isOurs = hasSlot(connection, FIRST_SLOT) && isFirst(connection, source, registered);
    return isOurs ? FIRST_SLOT : source.slot();
  }

  /** Whether the slot of the first version, which noted none and had one name for all, is its. */
  private static boolean isFirst(
      Connection connection, SourceConfiguration source, Registered registered)
      throws SQLException {
    return source.publication().equals(FIRST_PUBLICATION)
        || (registered.has(source, source.publication(), "epoch > 0")
            && !registered.has(source, FIRST_PUBLICATION, "epoch > 0")
            && !hasSlot(connection, source.slot()));
  }

  private static boolean hasSlot(Connection connection, String slot) throws SQLException {
    return CatalogQuery.one(connection, HAS_SLOT, row -> row.getBoolean(1), slot);
  }

  /** A name nobody else has, where the configured slot has another. */
  public static Optional<String> other(SourceConfiguration source) {
    String name = slot(source.database(), source.publication());
    return name.equals(source.slot()) ? Optional.empty() : Optional.of(name);
  }
}
