package io.outboxinbox.agent.source;

import com.fasterxml.jackson.annotation.JsonProperty;
import io.dropwizard.validation.selfvalidating.SelfValidating;
import io.dropwizard.validation.selfvalidating.SelfValidation;
import io.dropwizard.validation.selfvalidating.ViolationCollector;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Finding;
import jakarta.validation.Valid;
import jakarta.validation.constraints.NotBlank;
import jakarta.validation.constraints.NotNull;
import jakarta.validation.constraints.Pattern;
import jakarta.validation.constraints.Size;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.hibernate.validator.constraints.Range;
import org.jspecify.annotations.Nullable;

/**
 * Block {@code source}: the database and the outbox tables in it. One table is named by {@code
 * table} and the keys beside it, several by {@code tables}; whoever reads them asks {@link
 * #outboxes()}.
 *
 * @param password exactly one of this and {@code passwordFile}
 * @param passwordFile read anew for every connection, so that a rotated secret is picked up
 * @param sslMode libpq's word; only verify-full proves whom we talk to
 * @param sslRootCert certificate authority to trust; null for the user's default
 * @param table null for {@code outbox_event}, and where there is {@code tables}
 * @param publication null for one named after schema and table
 * @param slot null for one named after the database
 * @param layout null for the standard one; it and the next two are of {@code table}
 * @param columns names that differ from the layout's
 * @param extraColumns further columns to read, for topic templates
 * @param tables all of them, instead of {@code table}
 * @param existingRows what happens at the very first start to rows older than the slot
 * @param onGap what happens when rows may be in no stream, such as after the slot was dropped
 * @param failoverSlot whether PostgreSQL 17 and later may copy the slot to standbys
 * @param maxQueueBytes bound on rows decoded but not yet published
 */
@SelfValidating
public record SourceConfiguration(
    @JsonProperty(defaultValue = "localhost")
        @Pattern(regexp = "[^/?#\\s]{1,255}", message = "must be a host name or address")
        String host,
    @JsonProperty(defaultValue = "5432")
        @Range(min = 1, max = 65535, message = "must be 1 to 65535")
        int port,
    @NotNull(message = DATABASE_RULE) @Pattern(regexp = DATABASE, message = DATABASE_RULE)
        String database,
    @NotBlank(message = "must be the role with REPLICATION that the agent connects as")
        String username,
    @Nullable String password,
    @Nullable Path passwordFile,
    @JsonProperty(defaultValue = "verify-full") SslMode sslMode,
    @Nullable Path sslRootCert,
    @JsonProperty(defaultValue = "public")
        @Pattern(regexp = Identifiers.TABLE, message = Identifiers.TABLE_RULE)
        String schema,
    @Nullable @Pattern(regexp = Identifiers.TABLE, message = Identifiers.TABLE_RULE) String table,
    @Nullable @Pattern(regexp = PUBLICATION, message = PUBLICATION_RULE) String publication,
    @Nullable @Pattern(regexp = "[a-z0-9_]{1,63}", message = "must be 1 to 63 of a-z, 0-9 and _")
        String slot,
    @Nullable Layout layout,
    @Nullable
        Map<Column, @Pattern(regexp = Identifiers.COLUMN, message = Identifiers.COLUMN_RULE) String>
        columns,
    @Nullable List<@Pattern(regexp = Identifiers.COLUMN, message = Identifiers.COLUMN_RULE) String>
        extraColumns,
    @Nullable
        @Size(min = 1, max = TABLES_MAX, message = "must have 1 to " + TABLES_MAX + " entries")
        List<@NotNull(message = "must be a table's block") @Valid TableConfiguration> tables,
    @JsonProperty(defaultValue = "publish") ExistingRows existingRows,
    @JsonProperty(defaultValue = "stop") OnGap onGap,
    @JsonProperty(defaultValue = "true") boolean failoverSlot,
    @JsonProperty(defaultValue = "64MiB")
        @Range(min = 1 << 20, max = 4L << 30, message = "must be 1MiB to 4GiB")
        long maxQueueBytes) {

  /**
   * Debezium asks the catalog for the name as it is and gives the same to the server's decoder,
   * which folds what is not quoted; so only a name that is the same either way is found by both.
   */
  private static final String PUBLICATION = "[a-z_][a-z0-9_]{0,62}";

  private static final String PUBLICATION_RULE =
      "must start with a-z or _ and have at most 63 of a-z, 0-9 and _: Debezium cannot quote it; see ALTER PUBLICATION ... RENAME";

  /** Debezium takes the name as it is for its URL, and compares it with the catalog. */
  private static final String DATABASE = "[^/?#%+\\s]{1,63}";

  private static final String DATABASE_RULE =
      "must be the name of the database, without blanks and / ? # % +: Debezium puts it into a URL as it is; see ALTER DATABASE ... RENAME";

  /** Each look at the source asks for each table; a guess at what nobody needs more of. */
  private static final int TABLES_MAX = 16;

  /** Whether rows older than the slot are to be published of no table. */
  public boolean skipsExistingRows() {
    return skippedTables().size() == outboxes().size();
  }

  /** Names of the tables of which older rows are not to be published. */
  public List<String> skippedTables() {
    return outboxes().stream()
        .filter(table -> table.existingRows() == ExistingRows.SKIP)
        .map(OutboxTable::name)
        .toList();
  }

  /** The tables, at least one, in the order of the configuration. */
  public List<OutboxTable> outboxes() {
    // What is refused is looked at too, to tell all faults at once.
    Stream<TableConfiguration> named =
        tables == null ? Stream.of() : tables.stream().filter(Objects::nonNull);
    List<OutboxTable> outboxes = named.map(one -> one.in(schema, existingRows)).toList();
    return outboxes.isEmpty() ? List.of(only()) : outboxes;
  }

  private OutboxTable only() {
    return new OutboxTable(
        schema,
        Objects.requireNonNullElse(table, OutboxTable.OURS),
        Objects.requireNonNullElse(layout, Layout.STANDARD),
        Objects.requireNonNullElse(columns, Map.of()),
        Objects.requireNonNullElse(extraColumns, List.of()),
        existingRows);
  }

  /** The names of the tables, for people. */
  public String tableNames() {
    return outboxes().stream().map(OutboxTable::name).collect(Collectors.joining(", "));
  }

  /** The publication; without a name in the configuration, see {@link SourceNames#resolved}. */
  @Override
  public String publication() {
    return publication == null ? SourceNames.publication(schema, outboxes()) : publication;
  }

  /** The slot; without a name in the configuration, see {@link SourceNames#resolved}. */
  @Override
  public String slot() {
    return slot == null ? SourceNames.slot(database, publication()) : slot;
  }

  boolean namesPublication() {
    return publication != null;
  }

  boolean namesSlot() {
    return slot != null;
  }

  @Nullable String slotOrNull() {
    return slot;
  }

  /** The same source with other names; a slot that is null follows the publication. */
  SourceConfiguration withNames(String otherPublication, @Nullable String otherSlot) {
    return new SourceConfiguration(
        host,
        port,
        database,
        username,
        password,
        passwordFile,
        sslMode,
        sslRootCert,
        schema,
        table,
        otherPublication,
        otherSlot,
        layout,
        columns,
        extraColumns,
        tables,
        existingRows,
        onGap,
        failoverSlot,
        maxQueueBytes);
  }

  /** Faults that need more than one key to see. */
  @SelfValidation
  public void checkTogether(ViolationCollector faults) {
    if ((password == null) == (passwordFile == null)) {
      faults.addViolation(
          "password",
          "exactly one of password and passwordFile is needed, %s"
              .formatted(password == null ? "there is none" : "there are both"));
    }
    checkLength(faults, "schema", schema);
    checkLengths(faults, "", only());
    if (tables == null) {
      return;
    }
    Set<String> names = new HashSet<>();
    for (int i = 0; i < tables.size(); i++) {
      String path = "tables[%d].".formatted(i);
      @Nullable TableConfiguration one = tables.get(i);
      if (one == null) {
        continue;
      }
      checkLengths(faults, path, one.in(schema, existingRows));
      if (!names.add(one.table())) {
        faults.addViolation(path + "table", "must be named once");
      }
    }
    refuseBesideTables(faults, "table", table);
    refuseBesideTables(faults, "layout", layout);
    refuseBesideTables(faults, "columns", columns);
    refuseBesideTables(faults, "extraColumns", extraColumns);
    if (publication == null && !SourceNames.canName(outboxes())) {
      faults.addViolation("publication", "must be named where several tables are read");
    }
  }

  private static void refuseBesideTables(
      ViolationCollector faults, String key, @Nullable Object value) {
    if (value != null) {
      faults.addViolation(key, "must be left out beside tables; say it in an entry of the list");
    }
  }

  private static void checkLengths(ViolationCollector faults, String path, OutboxTable outbox) {
    checkLength(faults, path + "table", outbox.name());
    outbox
        .columns()
        .forEach(
            (column, name) ->
                checkLength(
                    faults, path + "columns." + column.name().toLowerCase(Locale.ROOT), name));
    for (int i = 0; i < outbox.extraColumns().size(); i++) {
      checkLength(faults, path + "extraColumns[" + i + "]", outbox.extraColumns().get(i));
    }
  }

  private static void checkLength(ViolationCollector faults, String path, String name) {
    if (Identifiers.isTooLong(name)) {
      faults.addViolation(path, Identifiers.LENGTH_RULE);
    }
  }

  /**
   * The password, from the configuration or read anew from its file, without the line's end.
   *
   * @throws AgentException.Misconfigured the file is missing, unreadable or empty
   */
  public String resolvePassword() {
    if (password != null) {
      return password;
    }
    String fix = "put the password of role " + username + " there, readable by the agent";
    try {
      String content = Files.readString(Objects.requireNonNull(passwordFile)).stripTrailing();
      if (content.isEmpty()) {
        throw new AgentException.Misconfigured(
            "source.passwordFile " + passwordFile + " is empty", fix);
      }
      return content;
    } catch (NoSuchFileException e) {
      throw new AgentException.Misconfigured(
          "source.passwordFile " + passwordFile + " does not exist", fix);
    } catch (IOException e) {
      throw new AgentException.Misconfigured(
          "source.passwordFile %s cannot be read (%s)"
              .formatted(passwordFile, e.getClass().getSimpleName()),
          fix);
    }
  }

  /** What is allowed but leaves the connection open to others. */
  public List<Finding> cautions() {
    return sslMode == SslMode.VERIFY_FULL
        ? List.of()
        : List.of(
            Finding.warning(
                sslMode == SslMode.DISABLE
                    ? "source.sslMode is disable: password and rows cross the network in clear text"
                    : "source.sslMode is %s: the server's name is not checked"
                        .formatted(SourceConnections.sslMode(sslMode)),
                "set sslMode: verify-full and sslRootCert"));
  }

  /** Without the password. */
  @Override
  public String toString() {
    return "SourceConfiguration[%s@%s:%d/%s, table=%s.%s, publication=%s, slot=%s, sslMode=%s]"
        .formatted(
            username, host, port, database, schema, tableNames(), publication(), slot(), sslMode);
  }

  /** Which columns a table has when {@code columns} does not say otherwise. */
  public enum Layout {
    /** The table of schema/postgresql/01_outbox.sql. */
    STANDARD,
    /**
     * The table Debezium's outbox EventRouter reads: id, aggregatetype, aggregateid, type, payload.
     */
    DEBEZIUM;

    Map<Column, String> columns() {
      return switch (this) {
        case STANDARD ->
            Map.of(
                Column.ID, "id",
                Column.AGGREGATE_TYPE, "aggregate_type",
                Column.AGGREGATE_ID, "aggregate_id",
                Column.EVENT_TYPE, "event_type",
                Column.PAYLOAD, "payload",
                Column.CONTENT_TYPE, "content_type",
                Column.HEADERS, "headers",
                Column.TOPIC, "topic",
                Column.OCCURRED_AT, "occurred_at");
        case DEBEZIUM ->
            Map.of(
                Column.ID, "id",
                Column.AGGREGATE_TYPE, "aggregatetype",
                Column.AGGREGATE_ID, "aggregateid",
                Column.EVENT_TYPE, "type",
                Column.PAYLOAD, "payload");
      };
    }
  }

  /** What a column means to us. */
  public enum Column {
    ID,
    AGGREGATE_TYPE,
    AGGREGATE_ID,
    EVENT_TYPE,
    PAYLOAD,
    CONTENT_TYPE,
    HEADERS,
    TOPIC,
    OCCURRED_AT
  }

  /** Rows written before the slot existed. */
  public enum ExistingRows {
    PUBLISH,
    SKIP
  }

  /** Rows may be in no stream: the slot, the publication or the server is not what it was. */
  public enum OnGap {
    /** Stay stopped until an operator asks for a reconciliation. */
    STOP,
    /** Publish at once what is in the table and not in the topics, then go on. */
    RECONCILE
  }

  /** libpq's sslmode values that make sense for a service. */
  public enum SslMode {
    DISABLE,
    REQUIRE,
    VERIFY_CA,
    VERIFY_FULL
  }
}
