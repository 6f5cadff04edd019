package io.outboxinbox.inbox.kafka;

import static io.outboxinbox.inbox.kafka.ConsumerRig.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Partitions change their owner: in order, and behind the back of one that is stuck. */
class RebalanceIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private ConsumerRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = ConsumerRig.of(postgres, kafka.bootstrapServers(), kafka.newTopic("r", 4));
  }

  @AfterEach
  void tearDown() {
    rig.close();
  }

  private Map<String, Object> protocol(String name) {
    return switch (name) {
      case "eager" ->
          rig.kafka(
              Map.of(
                  "partition.assignment.strategy",
                  "org.apache.kafka.clients.consumer.RangeAssignor"));
      case "cooperative" ->
          rig.kafka(
              Map.of(
                  "partition.assignment.strategy",
                  "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"));
      default -> rig.kafka(Map.of("group.protocol", "consumer"));
    };
  }

  @ParameterizedTest
  @CsvSource({"eager, 5", "cooperative, 1", "new, 5", "new, 1"})
  void handsPartitionsOverInOrder(String protocol, int batchMax) throws Exception {
    InboxConsumerBuilder member =
        rig.builder()
            .kafka(protocol(protocol))
            .batchMax(batchMax)
            .threads(2)
            .offsetsInDatabase(true);
    rig.start(member);
    Thread sender = new Thread(() -> rig.sendMany(4_000, 40));
    sender.start();
    eventually().until(() -> rig.effects() > 100);
    InboxConsumer second = rig.start(member);
    eventually().until(() -> rig.effects() > 1_000);
    InboxConsumer third = rig.start(member);
    eventually().until(() -> rig.effects() > 2_000);
    second.close();
    eventually().until(() -> rig.effects() > 3_000);
    third.close();
    sender.join();
    eventually().until(() -> rig.effects() >= 4_000);
    eventually().until(this::isAllCommitted);
    assertThat(rig.effects()).isEqualTo(4_000);
    for (int key = 0; key < 40; key++) {
      assertThat(rig.textsOf("k" + key).stream().map(Integer::valueOf))
          .as("k" + key)
          .hasSize(100)
          .isSorted();
    }
  }

  private boolean isAllCommitted() throws Exception {
    long sum = 0;
    for (int partition = 0; partition < 4; partition++) {
      sum += Math.max(0, rig.committedOffset(partition));
    }
    return sum == 4_000;
  }

  /**
   * FAILURES 57. The first member's handler hangs with its transaction open, and its poll loop with
   * it, as in a process that is stopped. Its partitions go to the second, whose first message is
   * the one that the first still holds. Then the first wakes, and commits what it had begun.
   */
  @Test
  void suffersNoHarmFromAMemberThatWakesAfterItsPartitionsWereHandedOver() throws Exception {
    CountDownLatch isStuck = new CountDownLatch(1);
    CountDownLatch isPollStuck = new CountDownLatch(1);
    CountDownLatch wakes = new CountDownLatch(1);
    AtomicBoolean isFirst = new AtomicBoolean(true);
    AtomicInteger lost = new AtomicInteger();
    Map<String, Object> impatient =
        rig.kafka(Map.of("max.poll.interval.ms", 3_000, "session.timeout.ms", 6_000));
    InboxConsumer zombie =
        rig.start(
            rig.builder()
                .kafka(impatient)
                .batchMax(1)
                .listener(new HangingListener(isStuck, isPollStuck, wakes, lost))
                .handler(
                    (connection, message) -> {
                      ConsumerRig.addEffect(connection, message);
                      if (message.text().equals("3") && isFirst.getAndSet(false)) {
                        isStuck.countDown();
                        await(wakes);
                      }
                    }));
    for (int i = 0; i < 20; i++) {
      rig.send(0, "a", ConsumerRig.newId(), Integer.toString(i));
    }
    assertThat(isPollStuck.await(120, TimeUnit.SECONDS)).isTrue();
    List<String> assigned = new CopyOnWriteArrayList<>();
    rig.start(
        rig.builder()
            .kafka(impatient)
            .listener(
                new ConsumerListener() {
                  @Override
                  public void rebalanced(int gained, int revoked, int gone) {
                    assigned.add(Integer.toString(gained));
                  }
                }));
    // The second waits in its transaction for the first's.
    awaitSomebodyWaitsForALock();
    assertThat(assigned).contains("4");
    wakes.countDown();
    eventually().until(() -> rig.effects() >= 20);
    eventually().until(() -> lost.get() == 4);
    eventually().until(() -> rig.committedOffset(0) == 20);
    assertThat(rig.textsOf("a").stream().map(Integer::valueOf))
        .hasSize(20)
        .isSorted()
        .doesNotHaveDuplicates();
    assertThat(zombie.state()).isEqualTo(ConsumerState.RUNNING);
  }

  /** As above, but what the first does after it wakes is a dead letter: its key is held. */
  @Test
  void queuesBehindADeadLetterThatAZombieMade() throws Exception {
    CountDownLatch isStuck = new CountDownLatch(1);
    CountDownLatch isPollStuck = new CountDownLatch(1);
    CountDownLatch wakes = new CountDownLatch(1);
    AtomicBoolean isFirst = new AtomicBoolean(true);
    Map<String, Object> impatient =
        rig.kafka(Map.of("max.poll.interval.ms", 3_000, "session.timeout.ms", 6_000));
    rig.start(
        rig.builder()
            .kafka(impatient)
            .batchMax(1)
            .retry(new RetryPolicy(1, Duration.ZERO, Duration.ZERO, 0))
            .listener(new HangingListener(isStuck, isPollStuck, wakes, new AtomicInteger()))
            .handler(
                (connection, message) -> {
                  if (message.text().equals("3") && isFirst.getAndSet(false)) {
                    isStuck.countDown();
                    await(wakes);
                    throw new IllegalStateException("poison");
                  }
                  ConsumerRig.addEffect(connection, message);
                }));
    for (int i = 0; i < 6; i++) {
      rig.send(0, "a", ConsumerRig.newId(), Integer.toString(i));
    }
    assertThat(isPollStuck.await(120, TimeUnit.SECONDS)).isTrue();
    rig.start(
        rig.builder()
            .kafka(impatient)
            .batchMax(1)
            .handler(
                (connection, message) -> {
                  if (message.text().equals("3")) {
                    throw new IllegalStateException("poison");
                  }
                  ConsumerRig.addEffect(connection, message);
                }));
    awaitSomebodyWaitsForALock();
    wakes.countDown();
    eventually().until(() -> rig.committedOffset(0) == 6);
    assertThat(rig.textsOf("a")).containsExactly("0", "1", "2");
    assertThat(rig.deadLetters()).hasSize(3);
  }

  private void awaitSomebodyWaitsForALock() {
    eventually()
        .until(
            () ->
                rig.number(
                        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                            + " AND datname = current_database()")
                    > 0);
  }

  /** Lets the poll thread hang too, once the handler does, until both wake. */
  private record HangingListener(
      CountDownLatch isStuck, CountDownLatch isPollStuck, CountDownLatch wakes, AtomicInteger gone)
      implements ConsumerListener {
    @Override
    public void lag(String topic, int partition, long messages) {
      if (isStuck.getCount() == 0) {
        isPollStuck.countDown();
        await(wakes);
      }
    }

    @Override
    public void rebalanced(int assigned, int revoked, int lost) {
      gone.addAndGet(revoked + lost);
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
