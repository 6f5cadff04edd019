package io.outboxinbox.inbox.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ConnectionUseTest {
  @Test
  void saysNothingOfAHandlerThatPassesOverSomeMessages() {
    ConnectionUse use = new ConnectionUse("inventory", true);
    for (int i = 0; i < 10; i++) {
      use.ended(false, false, "orders-0@" + i);
    }
    use.ended(true, false, "orders-0@10");
    for (int i = 11; i < 100; i++) {
      use.ended(false, i % 2 == 0, "orders-0@" + i);
    }
    assertThat(use.findings()).isEmpty();
  }

  @Test
  void tellsOfAHandlerThatNeverUsesItsConnectionAndTakesItBackOnceItDoes() {
    ConnectionUse use = new ConnectionUse("inventory", true);
    for (int i = 0; i < 20; i++) {
      assertThat(use.findings()).isEmpty();
      use.ended(false, false, "orders-0@" + i);
    }
    assertThat(use.findings())
        .singleElement()
        .asString()
        .contains("consumer inventory", "never used the connection", "orders-0@19");
    use.ended(true, false, "orders-0@20");
    assertThat(use.findings()).isEmpty();
  }

  @Test
  void tellsAtTheFirstFailure() {
    ConnectionUse use = new ConnectionUse("inventory", true);
    use.ended(false, true, "orders-0@0");
    assertThat(use.findings()).singleElement().asString().contains("orders-0@0, where it failed");
  }

  @Test
  void saysNothingOfAHandlerWhoseEffectsAreKnownToBeElsewhere() {
    ConnectionUse use = new ConnectionUse("inventory", false);
    for (int i = 0; i < 100; i++) {
      use.ended(false, true, "orders-0@" + i);
    }
    assertThat(use.findings()).isEmpty();
  }
}
