package io.outboxinbox.agent.source;

import com.fasterxml.jackson.annotation.JsonProperty;
import io.dropwizard.validation.selfvalidating.SelfValidating;
import io.dropwizard.validation.selfvalidating.SelfValidation;
import io.dropwizard.validation.selfvalidating.ViolationCollector;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Finding;
import jakarta.validation.constraints.NotBlank;
import jakarta.validation.constraints.NotNull;
import jakarta.validation.constraints.Pattern;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.hibernate.validator.constraints.Range;
import org.jspecify.annotations.Nullable;

/**
 * Block {@code source}: the database and the outbox table in it.
 *
 * @param password exactly one of this and {@code passwordFile}
 * @param passwordFile read anew for every connection, so that a rotated secret is picked up
 * @param sslMode libpq's word; only verify-full proves whom we talk to
 * @param sslRootCert certificate authority to trust; null for the user's default
 * @param publication null for one named after the schema
 * @param slot null for one named after the database
 * @param extraColumns further columns to read, for topic templates
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
    @JsonProperty(defaultValue = "outbox_event")
        @Pattern(regexp = Identifiers.TABLE, message = Identifiers.TABLE_RULE)
        String table,
    @Nullable @Pattern(regexp = PUBLICATION, message = PUBLICATION_RULE) String publication,
    @Nullable @Pattern(regexp = "[a-z0-9_]{1,63}", message = "must be 1 to 63 of a-z, 0-9 and _")
        String slot,
    @JsonProperty(defaultValue = "standard") Layout layout,
    @JsonProperty(defaultValue = "{}")
        Map<Column, @Pattern(regexp = Identifiers.COLUMN, message = Identifiers.COLUMN_RULE) String>
            columns,
    @JsonProperty(defaultValue = "[]")
        List<@Pattern(regexp = Identifiers.COLUMN, message = Identifiers.COLUMN_RULE) String>
            extraColumns,
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

  /** The publication; without a name in the configuration, see {@link SourceNames#resolved}. */
  @Override
  public String publication() {
    return publication == null ? SourceNames.publication(schema, table) : publication;
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
    checkLength(faults, "table", table);
    columns.forEach(
        (column, name) ->
            checkLength(faults, "columns." + column.name().toLowerCase(Locale.ROOT), name));
    for (int i = 0; i < extraColumns.size(); i++) {
      checkLength(faults, "extraColumns[" + i + "]", extraColumns.get(i));
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
    return switch (sslMode) {
      case DISABLE ->
          List.of(
              Finding.warning(
                  "source.sslMode is disable: password and rows cross the network in clear text",
                  "set sslMode: verify-full and sslRootCert"));
      case REQUIRE, VERIFY_CA ->
          List.of(
              Finding.warning(
                  "source.sslMode is %s: the server's name is not checked"
                      .formatted(SourceConnections.sslMode(sslMode)),
                  "set sslMode: verify-full and sslRootCert"));
      case VERIFY_FULL -> List.of();
    };
  }

  /** Without the password. */
  @Override
  public String toString() {
    return "SourceConfiguration[%s@%s:%d/%s, table=%s.%s, publication=%s, slot=%s, sslMode=%s]"
        .formatted(username, host, port, database, schema, table, publication(), slot(), sslMode);
  }

  /** Every column we read, by meaning: the layout's, changed by {@code columns}. */
  public Map<Column, String> mappedColumns() {
    Map<Column, String> mapped = new java.util.EnumMap<>(layout.columns());
    mapped.putAll(columns);
    return mapped;
  }

  /** Which columns a table has when {@code columns} does not say otherwise. */
  public enum Layout {
    /** The table of schema/postgresql/01_outbox.sql. */
    STANDARD,
    /**
     * The table Debezium's outbox EventRouter reads: id, aggregatetype, aggregateid, type, payload.
     */
    DEBEZIUM;

    private Map<Column, String> columns() {
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
