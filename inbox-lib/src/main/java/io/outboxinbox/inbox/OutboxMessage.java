package io.outboxinbox.inbox;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * An event to publish through {@link Outbox}. Checked when it is built, as far as Java can know the
 * rules of table and agent: an event that the agent refuses would hold up all events behind it.
 */
public final class OutboxMessage {
  private final String aggregateType;
  private final String aggregateId;
  private final String eventType;
  private final @Nullable String payload;
  private final String contentType;
  private final Map<String, String> headers;
  private final @Nullable String topic;

  private OutboxMessage(Builder builder) {
    this.aggregateType = OutboxRules.requiredLine("aggregateType", builder.aggregateType);
    this.aggregateId = OutboxRules.requiredLine("aggregateId", builder.aggregateId);
    this.eventType = OutboxRules.requiredLine("eventType", builder.eventType);
    this.payload = OutboxRules.storable("payload", builder.payload);
    this.contentType = OutboxRules.mediaType(builder.contentType);
    this.headers = Collections.unmodifiableMap(new LinkedHashMap<>(builder.headers));
    this.topic = OutboxRules.storable("topic", builder.topic);
    OutboxRules.checkHeaders(headers);
  }

  public static Builder builder() {
    return new Builder();
  }

  public String aggregateType() {
    return aggregateType;
  }

  public String aggregateId() {
    return aggregateId;
  }

  public String eventType() {
    return eventType;
  }

  /** Null for a tombstone. */
  public @Nullable String payload() {
    return payload;
  }

  public String contentType() {
    return contentType;
  }

  /** In the order they were set; not to be changed. */
  public Map<String, String> headers() {
    return headers;
  }

  /** Null where the agent's configuration chooses the topic, as usual. */
  public @Nullable String topic() {
    return topic;
  }

  /** Which event it is, for messages and logs; nothing of its payload or headers. */
  @Override
  public String toString() {
    return OutboxRules.shown(eventType)
        + " of "
        + OutboxRules.shown(aggregateType)
        + " "
        + OutboxRules.shown(aggregateId);
  }

  /** What an event consists of. Type, id and event type are needed, the rest is not. */
  public static final class Builder {
    /** What a trace state may be cut to: W3C Trace Context, section 3.3.1.5. */
    private static final int TRACESTATE_CHARACTERS_MAX = 512;

    private @Nullable String aggregateType;
    private @Nullable String aggregateId;
    private @Nullable String eventType;
    private @Nullable String payload;
    private String contentType = "application/json";
    private final Map<String, String> headers = new LinkedHashMap<>();
    private @Nullable String topic;

    private Builder() {}

    /** What kind of thing it is about, such as order; usually chooses the topic. */
    public Builder aggregateType(String type) {
      this.aggregateType = type;
      return this;
    }

    /** Which one it is about. Events of one id are published in the order of commits. */
    public Builder aggregateId(String id) {
      this.aggregateId = id;
      return this;
    }

    /** What happened, such as OrderPlaced. */
    public Builder eventType(String type) {
      this.eventType = type;
      return this;
    }

    /**
     * The event itself.
     *
     * @param json text of JSON; null for a tombstone, which deletes the key from a compacted topic
     */
    public Builder payload(@Nullable String json) {
      this.payload = json;
      return this;
    }

    /** The media type of the payload, where {@code application/json} is not precise enough. */
    public Builder contentType(String mediaType) {
      this.contentType = mediaType;
      return this;
    }

    /**
     * Sets a header, instead of one of the same name.
     *
     * @param name 1 to 128 of letters, digits, {@code . _ -}; not the agent's own ({@code ce_...},
     *     {@code outbox_...}, {@code content-type}, {@code id}, {@code eventType})
     * @param value any text without CR, LF and NUL
     */
    public Builder header(String name, String value) {
      headers.put(name, value);
      return this;
    }

    /** Sets headers as {@link #header} does. */
    public Builder headers(Map<String, String> more) {
      headers.putAll(more);
      return this;
    }

    /** A topic for this event alone, where the agent's configuration allows it. */
    public Builder topic(@Nullable String name) {
      this.topic = name;
      return this;
    }

    /** The trace this event belongs to, as W3C Trace Context writes it. */
    public Builder traceparent(String value) {
      return header("traceparent", value);
    }

    /**
     * Says which message led to this event: passes {@code traceparent} and {@code tracestate} on,
     * and sets {@code causation-id} to the message's id. An id with characters that no header may
     * have is named by the key the inbox keeps it under.
     */
    public Builder causedBy(Message message) {
      message
          .header("traceparent")
          .filter(OutboxRules::isHeaderValue)
          .filter(value -> value.length() <= TRACESTATE_CHARACTERS_MAX)
          .ifPresent(this::traceparent);
      message
          .header("tracestate")
          .filter(OutboxRules::isHeaderValue)
          .filter(value -> value.length() <= TRACESTATE_CHARACTERS_MAX)
          .ifPresent(value -> header("tracestate", value));
      MessageId id = message.id();
      return header(
          "causation-id", OutboxRules.isHeaderValue(id.text()) ? id.text() : id.key().toString());
    }

    /**
     * Makes the event.
     *
     * @throws InboxException.BadMessage something is missing, or breaks a rule of table or agent
     */
    public OutboxMessage build() {
      return new OutboxMessage(this);
    }
  }
}
