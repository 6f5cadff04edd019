package io.outboxinbox.quickstart.inventory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.inbox.Arrival;
import io.outboxinbox.inbox.Envelope;
import io.outboxinbox.inbox.Envelope.Header;
import io.outboxinbox.inbox.Message;
import io.outboxinbox.inbox.MessageId;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

class OrderEventTest {
  private static final Header PLACED = new Header("ce_type", bytes("OrderPlaced"));
  private static final String ID = "0190c9a8-0000-7000-8000-000000000001";

  @Test
  void readsHeadersAndPayloadAndIgnoresWhatItDoesNotKnow() {
    Message message =
        message(
            "{\"orderId\":4,\"version\":1,\"sku\":\"fig\",\"quantity\":3,\"color\":\"blue\"}",
            PLACED);

    assertThat(OrderEvent.of(message))
        .isEqualTo(new OrderEvent(ID, "OrderPlaced", new OrderEvent.Payload(4, 1, "fig", 3)));
  }

  @Test
  void namesTheMessageThatLacksAHeader() {
    assertThatThrownBy(() -> OrderEvent.of(message("{}")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("message shop.order-2@17 has no header ce_type");
  }

  @Test
  void namesTheMessageThatIsNoOrder() {
    assertThatThrownBy(() -> OrderEvent.of(message("no json", PLACED)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("message shop.order-2@17 has a payload that is no order");
  }

  private static Message message(String payload, Header... headers) {
    return new Message(
        Arrival.of(MessageId.of(ID)),
        new Envelope(
            "shop.order", 2, 17, bytes("4"), bytes(payload), Instant.EPOCH, List.of(headers)));
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
