package io.outboxinbox.inbox;

/**
 * Names of the headers the agent writes, with {@code headers: cloudevents} and, where they differ,
 * with {@code headers: debezium}. All values are text in UTF-8; read them with {@link
 * Envelope#header}.
 */
public final class MessageHeaders {
  /** The message's id, the same on every repeat. */
  public static final String ID = "ce_id";

  /** What has happened. */
  public static final String TYPE = "ce_type";

  /** Counts the events of the source; see {@link Origin}. */
  public static final String SEQUENCE = "ce_sequence";

  /** Goes up whenever the sequence starts again; see {@link Origin}. */
  public static final String EPOCH = "ce_epoch";

  /** Which outbox it comes from. */
  public static final String SOURCE = "ce_source";

  /** The same for certain: no two outboxes share it. */
  public static final String SOURCE_ID = "ce_sourceid";

  /** The aggregate's id. */
  public static final String SUBJECT = "ce_subject";

  /** When it happened, as RFC 3339 writes it. */
  public static final String TIME = "ce_time";

  /** Version of CloudEvents. */
  public static final String SPEC_VERSION = "ce_specversion";

  /** Media type of the value. */
  public static final String CONTENT_TYPE = "content-type";

  /** Only on an event that was parked and released: when it was parked. */
  public static final String PARKED_AT = "outbox_parked_at";

  /** Debezium's name for {@link #ID}. */
  public static final String DEBEZIUM_ID = "id";

  /** Debezium's name for {@link #TYPE}. */
  public static final String DEBEZIUM_TYPE = "eventType";

  /** The agent's name for {@link #SEQUENCE} beside Debezium's. */
  public static final String DEBEZIUM_SEQUENCE = "outbox_sequence";

  /** The agent's name for {@link #EPOCH} beside Debezium's. */
  public static final String DEBEZIUM_EPOCH = "outbox_epoch";

  /** The agent's name for {@link #SOURCE_ID} beside Debezium's. */
  public static final String DEBEZIUM_SOURCE_ID = "outbox_source";

  private MessageHeaders() {}
}
