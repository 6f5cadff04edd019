package io.outboxinbox.inbox.kafka;

import static io.outboxinbox.inbox.kafka.ConsumerRig.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.inbox.DeadLetter;
import io.outboxinbox.inbox.DeadLetterFilter;
import io.outboxinbox.inbox.DeadLetters;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.MessageHeaders;
import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.inbox.Transactions;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.nio.ByteBuffer;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is another message has another key, whatever its id looks like. */
class IdentityIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private ConsumerRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = ConsumerRig.of(postgres, kafka.bootstrapServers(), kafka.newTopic("o", 1));
  }

  @AfterEach
  void tearDown() {
    rig.close();
  }

  private static ProducerRecord<byte[], byte[]> numbered(String topic, int number) {
    String text = topic + "/" + number;
    ProducerRecord<byte[], byte[]> made =
        new ProducerRecord<>(topic, 0, ConsumerRig.bytes("k" + number), ConsumerRig.bytes(text));
    made.headers().add(MessageHeaders.DEBEZIUM_ID, ConsumerRig.bytes(Integer.toString(number)));
    return made;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 100})
  void handlesMessagesOfTwoTopicsThatBothCountFromOne(int batchMax) throws Exception {
    String second = kafka.newTopic("p", 1);
    for (int i = 1; i <= 20; i++) {
      rig.send(numbered(rig.topic(), i));
      ProducerRecord<byte[], byte[]> other = numbered(second, i);
      other.headers().add(MessageHeaders.DEBEZIUM_SOURCE_ID, ConsumerRig.bytes("7/shop/other"));
      rig.send(other);
    }
    rig.flush();
    InboxConsumer first = rig.start(rig.builder().topics(rig.topic(), second).batchMax(batchMax));
    eventually().until(() -> rig.effects() == 40);
    eventually().until(() -> rig.committedOffset(0) == 20);
    first.close();
    rig.resetGroup(0, 0);
    rig.send(numbered(rig.topic(), 21));
    rig.flush();
    rig.start(rig.builder().topics(rig.topic(), second).batchMax(batchMax));
    eventually().until(() -> rig.committedOffset(0) == 21);
    assertThat(rig.effects()).isEqualTo(41);
    assertThat(rig.deadLetters()).isEmpty();
  }

  @Test
  void setsAsideWhoseIdIsNoTextAndHandlesItOnceOnARetry() throws Exception {
    int count = 40;
    for (int i = 0; i < count; i++) {
      ProducerRecord<byte[], byte[]> made = rig.recordOf(0, "k" + i, null, Integer.toString(i));
      made.headers().add(MessageHeaders.ID, ByteBuffer.allocate(8).putLong(200 + i).array());
      rig.send(made);
    }
    rig.flush();
    rig.start(rig.builder());
    eventually().until(() -> rig.committedOffset(0) == count);
    List<DeadLetter> letters = rig.deadLetters();
    assertThat(letters).hasSize(count);
    assertThat(letters.get(0).failure().detail())
        .contains("header ce_id has 8 bytes, 0x00000000000000");
    DeadLetters all = DeadLetters.of(Inbox.named(ConsumerRig.NAME).build());
    all.retryAll(
        new Transactions(rig.dataSource()), DeadLetterFilter.all(), ConsumerRig::addEffect);
    assertThat(rig.effects()).isEqualTo(count);
  }

  @Test
  void findsDeadLettersOfAnIdOfWhicheverSourceAndKnowsThemAgain() throws Exception {
    Inbox inbox = Inbox.named(ConsumerRig.NAME).build();
    rig.send(numbered(rig.topic(), 1));
    rig.flush();
    rig.start(
        rig.builder()
            .handler(
                (connection, message) -> {
                  throw new IllegalStateException("on purpose");
                }));
    eventually().until(() -> rig.deadLetters().size() == 1);
    Transactions transactions = new Transactions(rig.dataSource());
    DeadLetters all = DeadLetters.of(inbox);
    DeadLetterFilter filter = DeadLetterFilter.all().ofMessage(MessageId.of("1"));
    long found = transactions.run(c -> all.count(c, filter));
    assertThat(found).isEqualTo(1);
    assertThat(rig.deadLetters().get(0).messageId()).isEqualTo(MessageId.of("1", rig.topic()));
    all.retryAll(transactions, filter, ConsumerRig::addEffect);
    assertThat(rig.effects()).isEqualTo(1);
  }
}
