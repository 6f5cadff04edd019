package io.outboxinbox.inbox.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.inbox.Envelope;
import io.outboxinbox.inbox.Envelope.Header;
import io.outboxinbox.inbox.InboxException;
import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.inbox.Origin;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ArrivalsTest {
  private final Arrivals arrivals = new Arrivals(Arrivals::idOfHeaders);

  private Delivery read(boolean isDated, String... namesAndValues) {
    List<Header> headers = new ArrayList<>();
    for (int i = 0; i < namesAndValues.length; i += 2) {
      headers.add(
          new Header(namesAndValues[i], namesAndValues[i + 1].getBytes(StandardCharsets.UTF_8)));
    }
    Delivery delivery =
        new Delivery(
            new Envelope("orders", 3, 9, null, null, Instant.ofEpochMilli(7), headers), isDated, 0);
    arrivals.read(delivery);
    return delivery;
  }

  @Test
  void readsTheIdFromEitherHeaderAndTheNumberFromThree() {
    assertThat(read(true, "id", "x").arrival().id().text()).isEqualTo("x");
    Delivery delivery =
        read(
            true, "id", "x", "ce_id", "y", "ce_source", "s", "ce_epoch", "1", "ce_sequence", "007");
    assertThat(delivery.arrival().id().text()).isEqualTo("y");
    assertThat(delivery.arrival().origin()).isEqualTo(new Origin("s", "orders", 3, 1, 7));
    assertThat(delivery.arrival().sentAt()).isEqualTo(Instant.ofEpochMilli(7));
  }

  @Test
  void doesNotTakeAMessageWithoutTimeForAnOldOne() {
    assertThat(read(false, "id", "x").arrival().sentAt()).isNull();
  }

  @Test
  void saysWhyAMessageHasNoArrival() {
    Delivery delivery = read(true, "other", "x");
    assertThat(delivery.arrival()).isNull();
    assertThat(delivery.refusal()).isInstanceOf(InboxException.BadMessage.class);
  }

  @Test
  void refusesWhatAReaderOfIdsThrowsOrForgets() {
    Delivery delivery =
        new Delivery(new Envelope("orders", 3, 9, null, null, Instant.EPOCH, List.of()), true, 0);
    new Arrivals(envelope -> null).read(delivery);
    assertThat(delivery.refusal()).isInstanceOf(InboxException.BadMessage.class);
  }

  /** As the runbook says it: agents of a database that has moved send another source. */
  @Test
  void knowsAnIdAgainWhereAReaderTakesTheNewSourceForTheOld() {
    String oldSource = "7/shop/outbox_publication";
    String newSource = "8/shop/outbox_publication";
    Arrivals moved =
        new Arrivals(
            envelope ->
                KafkaMessages.idOf(
                    envelope, source -> source.equals(newSource) ? oldSource : source));
    MessageId before = read(true, "ce_id", "4711", "ce_sourceid", oldSource).arrival().id();
    Delivery again = read(true, "ce_id", "4711", "ce_sourceid", newSource);
    assertThat(again.arrival().id()).isNotEqualTo(before);
    Delivery known = new Delivery(again.envelope(), true, 0);
    moved.read(known);
    assertThat(known.arrival().id()).isEqualTo(before);
    Delivery debezium =
        new Delivery(read(true, "id", "4711", "outbox_source", newSource).envelope(), true, 0);
    moved.read(debezium);
    assertThat(debezium.arrival().id()).isEqualTo(before);
    // All others as ever.
    Delivery named = read(true, "ce_id", "4711", "ce_source", "/s");
    Delivery bare = read(true, "ce_id", "4711");
    for (Delivery other : List.of(named, bare)) {
      Delivery same = new Delivery(other.envelope(), true, 0);
      moved.read(same);
      assertThat(same.arrival().id()).isEqualTo(other.arrival().id()).isNotEqualTo(before);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "'',1,1",
    "s,x,1",
    "s,1,x",
    "s,-1,1",
    "s,1,-1",
    "s,1,99999999999999999999",
    "'a\u0001',1,1"
  })
  void takesAMessageForNotNumberedWhoseNumbersMakeNoSense(
      String source, String epoch, String sequence) {
    Delivery delivery =
        read(true, "id", "x", "ce_source", source, "ce_epoch", epoch, "ce_sequence", sequence);
    assertThat(delivery.arrival().origin()).isNull();
  }
}
