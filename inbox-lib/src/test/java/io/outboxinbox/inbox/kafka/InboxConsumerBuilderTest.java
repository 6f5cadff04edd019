package io.outboxinbox.inbox.kafka;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.inbox.BatchHandler;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.InboxException;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.ds.PGSimpleDataSource;

class InboxConsumerBuilderTest {
  private static final Map<String, String> KAFKA =
      Map.of("bootstrap.servers", "localhost:1", "group.id", "inventory");

  private static InboxConsumerBuilder valid() {
    return InboxConsumer.builder()
        .inbox(Inbox.named("inventory").build())
        .dataSource(new PGSimpleDataSource())
        .kafka(KAFKA)
        .topics("orders")
        .handler((connection, message) -> {});
  }

  @Test
  void namesAllThatIsMissingAtOnce() {
    assertThatThrownBy(() -> InboxConsumer.builder().batchMax(0).threads(0).build())
        .isInstanceOf(InboxException.Misconfigured.class)
        .hasMessageContainingAll(
            "bootstrap.servers",
            "group.id",
            "inbox is missing",
            "dataSource is missing",
            "topics",
            "handler",
            "batchMax is 0",
            "threads is 0");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "isolation.level",
        "enable.auto.commit",
        "auto.commit.interval.ms",
        "key.deserializer",
        "value.deserializer"
      })
  void refusesPropertiesThePromiseRestsOn(String property) {
    assertThatThrownBy(
            () ->
                valid()
                    .kafka(
                        Map.of("bootstrap.servers", "b:1", "group.id", "g", property, "anything"))
                    .build())
        .isInstanceOf(InboxException.Misconfigured.class)
        .hasMessageContaining("kafka property " + property + " cannot be set: it ");
  }

  @Test
  void takesEitherOfBothHandlers() {
    assertThatThrownBy(
            () -> valid().batchHandler(BatchHandler.oneByOne((connection, m) -> {})).build())
        .hasMessageContaining("handler or batchHandler must be given, one of both");
  }

  @Test
  void refusesAPollIntervalThatIsNoNumber() {
    assertThatThrownBy(
            () ->
                valid()
                    .kafka(
                        Map.of(
                            "bootstrap.servers", "b:1",
                            "group.id", "g",
                            "max.poll.interval.ms", "long"))
                    .build())
        .hasMessageContaining("max.poll.interval.ms is 'long'");
  }

  @Test
  void canBeStartedOnlyOnce() {
    InboxConsumer consumer = valid().build();
    consumer.close();
    assertThatThrownBy(consumer::start)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("was closed before");
  }
}
