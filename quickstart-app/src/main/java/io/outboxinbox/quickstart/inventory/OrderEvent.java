package io.outboxinbox.quickstart.inventory;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import io.outboxinbox.inbox.Message;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * A change of an order as the inventory reads it from the topic.
 *
 * @param id the same in every redelivery of one event
 * @param type OrderPlaced, OrderPaid or OrderShipped
 */
public record OrderEvent(String id, String type, Payload payload) {

  /** What we need of the payload; the order service may add to it at any time. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  public record Payload(long orderId, int version, String sku, int quantity) {}

  private static final ObjectReader PAYLOAD = new ObjectMapper().readerFor(Payload.class);

  /**
   * Reads a message.
   *
   * @throws IllegalArgumentException it has no type, or its payload is no order
   */
  static OrderEvent of(Message message) {
    String place = "message " + message.envelope().place();
    String type =
        message
            .header("ce_type")
            .orElseThrow(() -> new IllegalArgumentException(place + " has no header ce_type"));
    return new OrderEvent(message.id().text(), type, payload(message.value(), place));
  }

  /**
   * Reads a payload.
   *
   * @param place names the message in the error
   * @throws IllegalArgumentException it is no order
   */
  public static Payload payload(byte @Nullable [] json, String place) {
    try {
      return PAYLOAD.readValue(json == null ? new byte[0] : json);
    } catch (IOException e) {
      throw new IllegalArgumentException(place + " has a payload that is no order", e);
    }
  }
}
