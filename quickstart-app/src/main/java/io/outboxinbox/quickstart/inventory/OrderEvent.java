package io.outboxinbox.quickstart.inventory;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;

/**
 * A change of an order as the inventory reads it from the topic.
 *
 * @param id the same in every redelivery of one event
 * @param type OrderPlaced, OrderPaid or OrderShipped
 */
public record OrderEvent(UUID id, String type, Payload payload) {

  /** What we need of the payload; the order service may add to it at any time. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  public record Payload(long orderId, int version, String sku, int quantity) {}

  private static final ObjectReader PAYLOAD = new ObjectMapper().readerFor(Payload.class);

  /**
   * Reads a message.
   *
   * @throws IllegalArgumentException a header is missing or the payload is not an order
   */
  public static OrderEvent of(ConsumerRecord<String, byte[]> message) {
    try {
      return new OrderEvent(
          UUID.fromString(header(message, "ce_id")),
          header(message, "ce_type"),
          PAYLOAD.readValue(message.value()));
    } catch (IOException e) {
      throw new IllegalArgumentException(place(message) + " has a payload that is no order", e);
    }
  }

  private static String header(ConsumerRecord<String, byte[]> message, String name) {
    Header header = message.headers().lastHeader(name);
    if (header == null) {
      throw new IllegalArgumentException(place(message) + " has no header " + name);
    }
    return new String(header.value(), StandardCharsets.UTF_8);
  }

  private static String place(ConsumerRecord<String, byte[]> message) {
    return "message " + message.topic() + "-" + message.partition() + "@" + message.offset();
  }
}
