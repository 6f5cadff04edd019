package io.outboxinbox.agent.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.OutboxEvent;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RowReaderTest {
  private final Map<String, Object> row = new HashMap<>();
  private final RowReader reader = new RowReader(Sources.standard().outboxes().get(0));

  RowReaderTest() {
    row.put("id", "0190");
    row.put("aggregate_type", "order");
    row.put("aggregate_id", "17");
    row.put("event_type", "placed");
    row.put("payload", "{\"total\": 3}");
    row.put("headers", "{}");
    row.put("occurred_at", "2026-11-24T05:00:00.123456Z");
  }

  @Test
  void readsARowByColumnName() throws Exception {
    row.put("headers", "{\"traceparent\": \"00-a-b-01\", \"n\": 5, \"gone\": null}");
    row.put("added_later", "ignored");
    OutboxEvent event = reader.read(row::get);
    assertThat(event.aggregateId()).isEqualTo("17");
    assertThat(event.headers()).containsEntry("traceparent", "00-a-b-01").containsEntry("n", "5");
    assertThat(event.headers()).doesNotContainKey("gone");
    assertThat(event.occurredAt()).isEqualTo(Instant.parse("2026-11-24T05:00:00.123456Z"));
    assertThat(event.contentType()).isNull();
  }

  @Test
  void takesPayloadsOfAnyKind() throws Exception {
    byte[] avro = {0, 1, 2, (byte) 0xFF};
    for (Object stored : new Object[] {avro, ByteBuffer.wrap(avro)}) {
      row.put("payload", stored);
      assertThat(reader.read(row::get).payload()).isEqualTo(avro);
    }
    row.put("payload", "grüße");
    assertThat(reader.read(row::get).payload()).isEqualTo("grüße".getBytes(StandardCharsets.UTF_8));
    row.put("payload", null);
    assertThat(reader.read(row::get).payload()).isNull();
  }

  @ParameterizedTest
  @ValueSource(strings = {"id", "aggregate_type", "aggregate_id", "event_type"})
  void refusesARowWithoutARequiredValue(String column) {
    for (String missing : new String[] {null, ""}) {
      row.put(column, missing);
      assertThatThrownBy(() -> reader.read(row::get))
          .isInstanceOf(RowReader.BadRowException.class)
          .hasMessageContaining("column " + column + " is " + (missing == null ? "NULL" : "empty"));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "'[1]', is not a JSON object",
    "'{\"a\": {\"b\": 1}}', has a value that is not a scalar at 'a'",
    "'{\"a\": ', is not readable JSON",
    "'{\"a\": \"x\"', is not readable JSON",
  })
  void refusesHeadersThatAreNoFlatObject(String headers, String reason) {
    row.put("headers", headers);
    assertThatThrownBy(() -> reader.read(row::get)).hasMessageContaining(reason);
  }

  @Test
  void refusesTimesNoCalendarKnows() {
    row.put("occurred_at", "infinity");
    assertThatThrownBy(() -> reader.read(row::get))
        .hasMessageContaining("occurred_at is infinity")
        .hasMessageContaining("finite timestamp");
  }

  @Test
  void neverShowsThePayload() throws Exception {
    row.put("payload", "secret");
    assertThat(reader.read(row::get).toString())
        .doesNotContain("secret")
        .contains("payloadBytes=6");
  }
}
