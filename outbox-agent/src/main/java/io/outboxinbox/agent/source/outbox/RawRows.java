package io.outboxinbox.agent.source.outbox;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.RawRow;
import java.io.IOException;
import java.io.StringWriter;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Takes an event back to the row it was read from. */
public final class RawRows {
  // A json column may hold half a surrogate pair as an escape, which no text column takes as it is.
  private static final JsonFactory JSON =
      JsonFactory.builder().enable(JsonWriteFeature.ESCAPE_NON_ASCII).build();

  private RawRows() {}

  /** The event's row, its headers as a JSON object again. */
  public static RawRow rowOf(OutboxEvent event) {
    return new RawRow(
        event.table(),
        event.id(),
        event.aggregateType(),
        event.aggregateId(),
        event.eventType(),
        event.payload(),
        event.contentType(),
        event.headers().isEmpty() ? null : object(event.headers()),
        event.topic(),
        event.occurredAt(),
        event.extra());
  }

  public static String object(Map<String, @Nullable String> fields) {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = JSON.createGenerator(text)) {
      json.writeStartObject();
      for (Map.Entry<String, @Nullable String> field : fields.entrySet()) {
        json.writeStringField(field.getKey(), field.getValue());
      }
      json.writeEndObject();
    } catch (IOException e) {
      throw new IllegalStateException("writing to memory does not fail", e);
    }
    return text.toString();
  }
}
