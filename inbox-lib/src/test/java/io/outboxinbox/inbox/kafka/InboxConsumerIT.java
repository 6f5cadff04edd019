package io.outboxinbox.inbox.kafka;

import static io.outboxinbox.inbox.kafka.ConsumerRig.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.InboxMode;
import io.outboxinbox.inbox.Transactions;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class InboxConsumerIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private ConsumerRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = ConsumerRig.of(postgres, kafka.bootstrapServers(), kafka.newTopic("o", 3));
  }

  @AfterEach
  void tearDown() {
    rig.close();
  }

  @Test
  void writesTheEffectOfEachMessageOnceAndCommitsItsOffsetAfterwards() throws Exception {
    InboxConsumer consumer = rig.start(rig.builder());
    rig.sendMany(500, 20);
    eventually().until(() -> rig.effects() == 500);
    eventually().until(() -> committed() == 500);
    for (int key = 0; key < 20; key++) {
      assertThat(numbers(rig.textsOf("k" + key))).hasSize(25).isSorted();
    }
    assertThat(consumer.state()).isEqualTo(ConsumerState.RUNNING);
    assertThat(consumer.reason()).isEmpty();
    assertThat(consumer.lastFailure()).isEmpty();
    consumer.close();
    consumer.close();
    assertThat(consumer.state()).isEqualTo(ConsumerState.CLOSED);
  }

  @Test
  void redeliversToNobodyAfterAResetOfTheGroup() throws Exception {
    InboxConsumer first = rig.start(rig.builder());
    rig.sendMany(300, 10);
    eventually().until(() -> rig.effects() == 300);
    first.close();
    for (int partition = 0; partition < 3; partition++) {
      rig.resetGroup(partition, 0);
    }
    AtomicInteger repeats = new AtomicInteger();
    rig.start(
        rig.builder()
            .listener(
                new ConsumerListener() {
                  @Override
                  public void duplicates(String topic, int messages) {
                    repeats.addAndGet(messages);
                  }
                }));
    rig.sendMany(10, 10);
    eventually().until(() -> rig.effects() == 310);
    eventually().until(() -> repeats.get() == 300);
    assertThat(rig.effects()).isEqualTo(310);
  }

  @ParameterizedTest
  @EnumSource(InboxMode.class)
  void handlesNumberedMessagesOnceInEachMode(InboxMode mode) throws Exception {
    for (int i = 0; i < 200; i++) {
      var made = rig.recordOf(i % 3, "k" + i % 7, ConsumerRig.newId(), Integer.toString(i));
      made.headers().add("ce_source", ConsumerRig.bytes("//orders"));
      made.headers().add("ce_epoch", ConsumerRig.bytes("1"));
      made.headers().add("ce_sequence", ConsumerRig.bytes("%020d".formatted(i)));
      rig.send(made);
    }
    rig.flush();
    InboxConsumer first = rig.start(rig.builder(Inbox.named(ConsumerRig.NAME).mode(mode).build()));
    eventually().until(() -> rig.effects() == 200);
    first.close();
    assertThat(committed()).isEqualTo(200);
    long rows = rig.number("SELECT count(*) FROM inbox_message");
    assertThat(rows).isEqualTo(mode == InboxMode.IDS ? 200 : 0);
    rig.resetGroup(0, 0);
    InboxConsumer second = rig.start(rig.builder(Inbox.named(ConsumerRig.NAME).mode(mode).build()));
    rig.send(0, "last", ConsumerRig.newId(), "200");
    if (mode == InboxMode.WATERMARK) {
      eventually().until(() -> rig.deadLetters().size() == 1);
      assertThat(rig.deadLetters().get(0).failure().reason()).contains("BadMessage");
    } else {
      eventually().until(() -> rig.effects() == 201);
    }
    eventually().until(() -> committed() == 201);
    assertThat(rig.effects()).isEqualTo(mode == InboxMode.WATERMARK ? 200 : 201);
    assertThat(second.state()).isEqualTo(ConsumerState.RUNNING);
  }

  /** A message as the agent numbers them; sourceId null as the version before. */
  private void sendNumbered(int partition, String sourceId, long epoch, long sequence) {
    var made = rig.recordOf(partition, "k" + sequence % 7, ConsumerRig.newId(), "");
    made.headers().add("ce_source", ConsumerRig.bytes("/orders"));
    if (sourceId != null) {
      made.headers().add("ce_sourceid", ConsumerRig.bytes(sourceId));
    }
    made.headers().add("ce_epoch", ConsumerRig.bytes(Long.toString(epoch)));
    made.headers().add("ce_sequence", ConsumerRig.bytes("%019d".formatted(sequence)));
    rig.send(made);
  }

  private InboxConsumerBuilder numbered(InboxMode mode) {
    return rig.builder(Inbox.named(ConsumerRig.NAME).mode(mode).build());
  }

  @ParameterizedTest
  @EnumSource(names = {"WATERMARK", "HYBRID"})
  void handlesWhatCameBeforeANewEpochAndTheRestOnceItIsAccepted(InboxMode mode) throws Exception {
    for (int sequence = 1; sequence <= 40; sequence++) {
      sendNumbered(0, null, 1, sequence);
    }
    sendNumbered(0, null, 2, 1);
    sendNumbered(0, null, 2, 2);
    rig.flush();
    InboxConsumer consumer = rig.start(numbered(mode));
    eventually().until(() -> consumer.state() == ConsumerState.MISCONFIGURED);
    assertThat(consumer.reason()).contains("source /orders has begun epoch 2 after epoch 1");
    eventually().until(() -> rig.effects() == 40);
    // Another partition has not met the new epoch yet.
    sendNumbered(1, null, 1, 41);
    rig.flush();
    new Transactions(rig.dataSource())
        .run(c -> Inbox.named(ConsumerRig.NAME).build().acceptEpoch(c, "/orders", 2));
    sendNumbered(1, null, 1, 42);
    sendNumbered(1, null, 2, 3);
    rig.flush();
    eventually().until(() -> rig.effects() == 45);
    eventually().until(() -> committed() == 45);
    eventually().until(() -> consumer.state() == ConsumerState.RUNNING);
    assertThat(rig.deadLetters()).isEmpty();
    consumer.close();
    rig.resetGroup(0, 0);
    rig.resetGroup(1, 0);
    InboxConsumer again = rig.start(numbered(mode));
    sendNumbered(2, null, 2, 4);
    eventually().until(() -> committed() == 46);
    assertThat(rig.effects()).isEqualTo(46);
    assertThat(rig.deadLetters()).isEmpty();
    assertThat(again.state()).isEqualTo(ConsumerState.RUNNING);
  }

  @ParameterizedTest
  @EnumSource(names = {"WATERMARK", "HYBRID"})
  void keepsTwoDatabasesApartThatHaveOneNameAsTheirSource(InboxMode mode) throws Exception {
    for (int sequence = 1; sequence <= 50; sequence++) {
      sendNumbered(0, "7611/orders/outbox_publication", 1_700_000_000, 1_000 + sequence);
      sendNumbered(0, "7612/orders/outbox_publication", 1_600_000_000, sequence);
    }
    rig.flush();
    InboxConsumer consumer = rig.start(numbered(mode));
    eventually().until(() -> committed() == 100);
    assertThat(rig.effects()).isEqualTo(100);
    assertThat(rig.deadLetters()).isEmpty();
    consumer.close();
    rig.resetGroup(0, 0);
    rig.start(numbered(mode));
    sendNumbered(0, "7612/orders/outbox_publication", 1_600_000_000, 51);
    eventually().until(() -> committed() == 101);
    assertThat(rig.effects()).isEqualTo(101);
  }

  @Test
  void losesNothingWhenAHandlerIsSlowerThanKafkasPatience() throws Exception {
    CountDownLatch begun = new CountDownLatch(1);
    // The poll thread tells the lag every two seconds or so, whatever a handler does: a handler
    // that outlasts many polls outlasts any patience. Kafka's own stays at minutes, since a machine
    // that is busy may keep the poll thread from its turn for seconds.
    int partitions = 3;
    CountDownLatch polledOn = new CountDownLatch(3 * partitions);
    AtomicInteger assignments = new AtomicInteger();
    InboxConsumer consumer =
        rig.start(
            rig.builder()
                .kafka(rig.kafka(Map.of("max.poll.records", 5)))
                .threads(1)
                .batchMax(1)
                .bufferMax(5)
                .listener(
                    new ConsumerListener() {
                      @Override
                      public void rebalanced(int assigned, int revoked, int lost) {
                        assignments.incrementAndGet();
                      }

                      @Override
                      public void lag(String topic, int partition, long messages) {
                        if (begun.getCount() == 0) {
                          polledOn.countDown();
                        }
                      }
                    })
                .handler(
                    (connection, message) -> {
                      if (message.text().equals("0")) {
                        begun.countDown();
                        assertThat(polledOn.await(90, TimeUnit.SECONDS)).isTrue();
                      }
                      ConsumerRig.addEffect(connection, message);
                    }));
    rig.sendMany(100, 10);
    assertThat(begun.await(120, TimeUnit.SECONDS)).isTrue();
    eventually().until(() -> rig.effects() == 100);
    assertThat(assignments).hasValue(1);
    assertThat(consumer.lastFailure()).isEmpty();
    assertThat(rig.number("SELECT count(DISTINCT id) FROM effect")).isEqualTo(100);
  }

  @Test
  void finishesTheRunningTransactionAndCommitsItsOffsetWhenClosed() throws Exception {
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    InboxConsumer consumer =
        rig.start(
            rig.builder()
                .threads(1)
                .batchMax(1)
                .handler(
                    (connection, message) -> {
                      begun.countDown();
                      go.await();
                      ConsumerRig.addEffect(connection, message);
                    }));
    for (int i = 0; i < 10; i++) {
      rig.send(0, "k", ConsumerRig.newId(), Integer.toString(i));
    }
    assertThat(begun.await(120, TimeUnit.SECONDS)).isTrue();
    Thread closer = new Thread(consumer::close);
    closer.start();
    eventually().until(() -> closer.getState() == Thread.State.TIMED_WAITING);
    go.countDown();
    closer.join(90_000);
    assertThat(closer.isAlive()).isFalse();
    assertThat(rig.effects()).isBetween(1L, 10L);
    assertThat(rig.committedOffset(0)).isEqualTo(rig.effects());
  }

  @Test
  void returnsFromCloseInTimeWhenAHandlerNeverEnds() throws Exception {
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch interrupted = new CountDownLatch(1);
    InboxConsumer consumer =
        rig.start(
            rig.builder()
                .closeWithin(Duration.ofSeconds(2))
                .handler(
                    (connection, message) -> {
                      begun.countDown();
                      try {
                        new CountDownLatch(1).await();
                      } catch (InterruptedException e) {
                        interrupted.countDown();
                        throw e;
                      }
                    }));
    rig.send("k", ConsumerRig.newId(), "0");
    assertThat(begun.await(120, TimeUnit.SECONDS)).isTrue();
    // The handler ends with the close alone, so a close that waited for it would never return.
    Thread closer = new Thread(consumer::close);
    closer.start();
    closer.join(90_000);
    assertThat(closer.isAlive()).isFalse();
    assertThat(interrupted.await(120, TimeUnit.SECONDS)).isTrue();
    assertThat(rig.effects()).isZero();
    assertThat(rig.deadLetters()).isEmpty();
    // Another one gets the message.
    rig.start(rig.builder());
    eventually().until(() -> rig.effects() == 1);
  }

  @Test
  void mayBeClosedBeforeItIsStarted() {
    InboxConsumer consumer = rig.builder().build();
    consumer.close();
    assertThat(consumer.state()).isEqualTo(ConsumerState.CLOSED);
  }

  @Test
  void consumesTopicsThatMatchAPattern() throws Exception {
    InboxConsumerBuilder builder =
        InboxConsumer.builder()
            .inbox(Inbox.named(ConsumerRig.NAME).build())
            .dataSource(rig.dataSource())
            .kafka(rig.kafka(Map.of()))
            .topics(Pattern.compile(Pattern.quote(rig.topic())))
            .batchHandler(
                (connection, messages) -> {
                  for (var message : messages) {
                    ConsumerRig.addEffect(connection, message);
                  }
                });
    rig.start(builder);
    rig.sendMany(20, 5);
    eventually().until(() -> rig.effects() == 20);
  }

  @Test
  void findsTopicsThatKeepMessagesLongerThanTheInbox() {
    String compacted = kafka.newTopic("compacted", 1, Map.of("cleanup.policy", "compact"));
    String forEver = kafka.newTopic("ever", 1, Map.of("retention.ms", "-1"));
    String brief = kafka.newTopic("brief", 1, Map.of("retention.ms", "3600000"));
    InboxConsumer consumer =
        rig.start(
            rig.builder()
                .topics(rig.topic(), compacted, forEver, brief)
                .remembers(Duration.ofDays(2)));
    eventually().until(() -> consumer.findings().size() >= 3);
    assertThat(consumer.findings())
        .hasSize(3)
        .anyMatch(finding -> finding.contains(compacted) && finding.contains("compacted"))
        .anyMatch(finding -> finding.contains(forEver) && finding.contains("for ever"))
        .anyMatch(finding -> finding.contains(rig.topic()) && finding.contains("PT168H"));
  }

  private long committed() throws Exception {
    long sum = 0;
    for (int partition = 0; partition < 3; partition++) {
      sum += Math.max(0, rig.committedOffset(partition));
    }
    return sum;
  }

  private static List<Integer> numbers(List<String> texts) {
    return texts.stream().map(Integer::valueOf).toList();
  }
}
