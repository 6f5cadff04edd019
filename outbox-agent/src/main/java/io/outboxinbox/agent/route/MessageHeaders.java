package io.outboxinbox.agent.route;

import io.outboxinbox.agent.event.Destination.Header;
import io.outboxinbox.agent.event.HeaderNames;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.SequencedEvent;
import io.outboxinbox.agent.route.RouteConfiguration.HeaderStyle;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Writes a message's headers in the configured style.
 *
 * <p>CloudEvents' SDK would build an event object per row only to take it apart into the same ten
 * headers again; its attribute names and rules are kept, its objects are not made.
 */
final class MessageHeaders {
  private static final byte[] SPEC_VERSION = utf8("1.0");
  private static final byte[] JSON = utf8("application/json");
  private static final int CONTENT_TYPE_CHARS_MAX = 255;

  /**
   * Digits of {@link Long#MAX_VALUE}. CloudEvents' sequence extension compares as text, so {@code
   * 10} must not come before {@code 9}; padded it sorts, and still parses as a number.
   */
  private static final int SEQUENCE_DIGITS = 19;

  private static final Instant RFC3339_FIRST = Instant.parse("0000-01-01T00:00:00Z");
  private static final Instant RFC3339_LAST = Instant.parse("9999-12-31T23:59:59.999999999Z");

  /**
   * The source's id says for certain who counts, which {@code ce_source} does not: that is a name
   * people choose, and two databases may have the same. Consumers keep a mark for each id.
   */
  static final HeaderNames CLOUDEVENTS =
      new HeaderNames("ce_id", "ce_sourceid", "ce_source", "ce_sequence");

  static final HeaderNames DEBEZIUM =
      new HeaderNames("id", "outbox_source", null, "outbox_sequence");

  private final HeaderStyle style;
  private final byte[] source;
  private final byte @Nullable [] sourceId;
  private final boolean namesTable;
  private final RowHeaders rowHeaders;

  /**
   * Knows what is the same in all messages.
   *
   * @param sourceId null for messages that nobody sends
   * @param namesTable whether ids are of one of several tables
   */
  MessageHeaders(HeaderStyle style, String source, @Nullable String sourceId, boolean namesTable) {
    this.namesTable = namesTable;
    this.style = style;
    this.source = utf8(source);
    this.sourceId = sourceId == null ? null : utf8(sourceId);
    this.rowHeaders =
        new RowHeaders(
            switch (style) {
              case CLOUDEVENTS -> Set.of("content-type");
              case DEBEZIUM -> Set.of("content-type", "id", "eventtype");
            });
  }

  /** All headers of the event, ours first; names are unique. */
  List<Header> of(SequencedEvent sequenced) {
    OutboxEvent event = sequenced.event();
    RowHeaders.checkValue("id", event.id(), event);
    RowHeaders.checkValue("event type", event.eventType(), event);
    List<Header> headers = new ArrayList<>(10 + event.headers().size());
    switch (style) {
      case CLOUDEVENTS -> addCloudEvents(headers, sequenced);
      case DEBEZIUM -> addDebezium(headers, sequenced);
    }
    if (namesTable) {
      headers.add(new Header(HeaderNames.TABLE, utf8(event.table())));
    }
    rowHeaders.addTo(headers, event);
    return headers;
  }

  private void addCloudEvents(List<Header> headers, SequencedEvent sequenced) {
    OutboxEvent event = sequenced.event();
    RowHeaders.checkValue("aggregate id", event.aggregateId(), event);
    headers.add(new Header("ce_specversion", SPEC_VERSION));
    headers.add(new Header(CLOUDEVENTS.id(), utf8(event.id())));
    headers.add(new Header("ce_source", source));
    headers.add(new Header("ce_type", utf8(event.eventType())));
    headers.add(new Header("ce_subject", utf8(event.aggregateId())));
    headers.add(new Header("ce_time", ascii(time(sequenced))));
    headers.add(new Header(CLOUDEVENTS.sequence(), padded(sequenced.sequence())));
    headers.add(new Header("ce_epoch", ascii(Long.toString(sequenced.epoch()))));
    addSourceId(headers, CLOUDEVENTS);
    if (event.payload() != null) {
      byte @Nullable [] contentType = contentType(event);
      headers.add(new Header("content-type", contentType == null ? JSON : contentType));
    }
  }

  /**
   * What Debezium's EventRouter sends: {@code id} always, the type under the name its documentation
   * gives it. It has no sequence, so ours carries the agent's name.
   */
  private void addDebezium(List<Header> headers, SequencedEvent sequenced) {
    OutboxEvent event = sequenced.event();
    headers.add(new Header(DEBEZIUM.id(), utf8(event.id())));
    headers.add(new Header("eventType", utf8(event.eventType())));
    headers.add(new Header(DEBEZIUM.sequence(), padded(sequenced.sequence())));
    headers.add(new Header("outbox_epoch", ascii(Long.toString(sequenced.epoch()))));
    addSourceId(headers, DEBEZIUM);
    byte @Nullable [] contentType = event.payload() == null ? null : contentType(event);
    if (contentType != null) {
      headers.add(new Header("content-type", contentType));
    }
  }

  private void addSourceId(List<Header> headers, HeaderNames names) {
    if (sourceId != null) {
      headers.add(new Header(names.sourceId(), sourceId));
    }
  }

  private static byte @Nullable [] contentType(OutboxEvent event) {
    @Nullable String contentType = event.contentType();
    if (contentType == null) {
      return null;
    }
    if (contentType.equals("application/json")) {
      return JSON;
    }
    // A consumer that sees application/cloudevents takes id, source and type from the payload
    // instead of our headers. CloudEvents Kafka binding, section 3.
    if (contentType.strip().toLowerCase(Locale.ROOT).startsWith("application/cloudevents")) {
      throw Rejection.of(
          event,
          "content type %s would let the payload replace id and source"
              .formatted(Rejection.shown(contentType)),
          "give the media type of the data itself");
    }
    if (!isMediaType(contentType)) {
      throw Rejection.of(
          event,
          "content type %s is not printable ASCII with a '/' and at most %d characters"
              .formatted(Rejection.shown(contentType), CONTENT_TYPE_CHARS_MAX),
          "correct the row before releasing it");
    }
    return ascii(contentType);
  }

  private static boolean isMediaType(String contentType) {
    return contentType.length() <= CONTENT_TYPE_CHARS_MAX
        && contentType.indexOf('/') > 0
        && contentType.chars().allMatch(c -> c >= ' ' && c <= '~');
  }

  private static String time(SequencedEvent sequenced) {
    @Nullable Instant occurredAt = sequenced.event().occurredAt();
    Instant time = occurredAt == null ? sequenced.committedAt() : occurredAt;
    if (time.isBefore(RFC3339_FIRST) || time.isAfter(RFC3339_LAST)) {
      throw Rejection.of(
          sequenced.event(),
          "time " + time + " is outside the years 0 to 9999 that RFC 3339 can write",
          "correct the row before releasing it");
    }
    return time.toString();
  }

  private static byte[] padded(long sequence) {
    byte[] digits = new byte[SEQUENCE_DIGITS];
    long rest = sequence;
    for (int i = SEQUENCE_DIGITS - 1; i >= 0; i--) {
      digits[i] = (byte) ('0' + rest % 10);
      rest /= 10;
    }
    return digits;
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }
}
