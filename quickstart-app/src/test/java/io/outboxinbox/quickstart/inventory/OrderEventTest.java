package io.outboxinbox.quickstart.inventory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Test;

class OrderEventTest {
  private static final String ID = "0190c9a8-0000-7000-8000-000000000001";

  @Test
  void readsHeadersAndPayloadAndIgnoresWhatItDoesNotKnow() {
    ConsumerRecord<String, byte[]> message =
        message("{\"orderId\":4,\"version\":1,\"sku\":\"fig\",\"quantity\":3,\"color\":\"blue\"}");
    message.headers().add("ce_id", bytes(ID)).add("ce_type", bytes("OrderPlaced"));

    assertThat(OrderEvent.of(message))
        .isEqualTo(
            new OrderEvent(
                UUID.fromString(ID), "OrderPlaced", new OrderEvent.Payload(4, 1, "fig", 3)));
  }

  @Test
  void namesTheMessageThatLacksAHeader() {
    assertThatThrownBy(() -> OrderEvent.of(message("{}")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("message shop.order-2@17 has no header ce_id");
  }

  @Test
  void namesTheMessageThatIsNoOrder() {
    ConsumerRecord<String, byte[]> message = message("no json");
    message.headers().add("ce_id", bytes(ID)).add("ce_type", bytes("OrderPlaced"));

    assertThatThrownBy(() -> OrderEvent.of(message))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("message shop.order-2@17 has a payload that is no order");
  }

  private static ConsumerRecord<String, byte[]> message(String payload) {
    return new ConsumerRecord<>("shop.order", 2, 17, "4", bytes(payload));
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
