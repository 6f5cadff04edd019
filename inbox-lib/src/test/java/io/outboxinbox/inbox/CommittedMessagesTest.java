package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class CommittedMessagesTest {
  private static final int IDS_MAX = 1_000;

  private final CommittedMessages committed = new CommittedMessages(IDS_MAX);

  private static List<UUID> keys(int number) {
    return Stream.generate(UUID::randomUUID).limit(number).toList();
  }

  // After a rebalance the broker repeats what came last, and nobody has asked for any of it before.
  @Test
  void keepsTheNewestIdsHoweverManyCameBefore() {
    List<UUID> keys = keys(20 * IDS_MAX);
    keys.forEach(committed::add);

    assertThat(keys.subList(keys.size() - IDS_MAX, keys.size())).allMatch(committed::contains);
    assertThat(keys.subList(0, keys.size() - IDS_MAX)).noneMatch(committed::contains);
  }

  @Test
  void countsAnIdThatIsAddedAgainOnce() {
    List<UUID> keys = keys(IDS_MAX);
    keys.forEach(committed::add);
    keys.subList(0, 10).forEach(committed::add);

    assertThat(keys).allMatch(committed::contains);
  }

  @Test
  void keepsNothingWhereNothingShallBeKept() {
    CommittedMessages none = new CommittedMessages(0);
    UUID key = UUID.randomUUID();
    none.add(key);

    assertThat(none.contains(key)).isFalse();
  }

  @Test
  void keepsItsLimitWhileThreadsAddTheSameIds() throws Exception {
    List<UUID> keys = keys(20 * IDS_MAX);
    CountDownLatch start = new CountDownLatch(1);
    List<Thread> threads =
        IntStream.range(0, 4)
            .mapToObj(
                n ->
                    new Thread(
                        () -> {
                          try {
                            start.await();
                          } catch (InterruptedException e) {
                            throw new IllegalStateException(e);
                          }
                          keys.forEach(committed::add);
                        }))
            .toList();
    threads.forEach(Thread::start);
    start.countDown();
    for (Thread thread : threads) {
      thread.join();
    }

    assertThat(keys.stream().filter(committed::contains).count()).isEqualTo(IDS_MAX);
  }
}
