package io.outboxinbox.inbox.kafka;

import static io.outboxinbox.inbox.kafka.ConsumerRig.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.inbox.InboxMode;
import io.outboxinbox.testkit.ChildProcess;
import io.outboxinbox.testkit.KafkaBroker;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Goal: effects equal distinct messages, in order per key, whatever becomes of the processes.
 * Method: two members of a group in processes of their own, killed with SIGKILL at random and
 * started again, or stopped until the group has given their partitions away and then woken in the
 * middle of what they did; messages flow all the while, one in twenty is sent twice.
 *
 * <p>Long form: {@code -Dkills=200}, the stops come on top; also {@code -Dseed=}, {@code
 * -Dmode=WATERMARK}, {@code -Dassignor=...CooperativeStickyAssignor}, {@code
 * -DoffsetsInDatabase=false}.
 */
class ConsumerKillFaultTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private static final int KILLS = Integer.getInteger("kills", 6);
  private static final int KEYS = 30;
  private static final int PARTITIONS = 6;

  private final long seed = Long.getLong("seed", System.nanoTime());
  private final Random random = new Random(seed);
  private final AtomicBoolean isSending = new AtomicBoolean(true);
  private final AtomicInteger distinct = new AtomicInteger();
  private int kills;
  private int stops;

  @Test
  void appliesEachEffectOnceInOrderThroughKillsAndStops() throws Exception {
    System.out.println("ConsumerKillFaultTest: -Dkills=" + KILLS + " -Dseed=" + seed);
    PostgresDatabase database = postgres.newDatabase();
    KafkaBroker.Options options =
        // A killed member's partitions are free after a second instead of six.
        KafkaBroker.Options.defaults().withSetting("group.min.session.timeout.ms", "500");
    try (KafkaBroker broker = KafkaBroker.start(options)) {
      broker.createTopic("orders", PARTITIONS, Map.of());
      try (ConsumerRig rig = ConsumerRig.of(database, broker.bootstrapServers(), "orders")) {
        Thread sender = new Thread(() -> sendAll(rig));
        sender.start();
        try (ChildProcess one = member("one", database, rig);
            ChildProcess two = member("two", database, rig)) {
          List<ChildProcess> members = List.of(one, two);
          harass(rig, members);
          isSending.set(false);
          sender.join();
          verify(rig);
        } finally {
          isSending.set(false);
        }
      }
    }
  }

  private void harass(ConsumerRig rig, List<ChildProcess> members) throws Exception {
    eventually().until(() -> rig.effects() > 0);
    while (kills < KILLS) {
      ChildProcess victim = members.get(random.nextInt(members.size()));
      // Any moment will do: in the middle of a start, a rebalance, a transaction.
      victim.awaitEnd(Duration.ofMillis(random.nextInt(2_500)));
      if (random.nextInt(4) == 0) {
        stops++;
        victim.freeze();
        // Longer than the session: the other one gets the partitions meanwhile.
        victim.awaitEnd(Duration.ofMillis(1_500 + random.nextInt(1_000)));
        victim.thaw();
      } else {
        kills++;
        victim.kill();
        victim.start();
      }
    }
  }

  private void verify(ConsumerRig rig) throws Exception {
    eventually()
        .atMost(Duration.ofMinutes(2))
        .until(() -> rig.number("SELECT count(DISTINCT id) FROM effect") == distinct.get());
    assertThat(rig.effects()).as("effects, seed " + seed).isEqualTo(distinct.get());
    for (int key = 0; key < KEYS; key++) {
      assertThat(rig.textsOf("k" + key).stream().map(Integer::valueOf))
          .as("order of k" + key + ", seed " + seed)
          .isSorted();
    }
    assertThat(rig.deadLetters()).isEmpty();
    System.out.printf(
        "ConsumerKillFaultTest: %d kills, %d stops, %d distinct messages, %d effects%n",
        kills, stops, distinct.get(), rig.effects());
  }

  private void sendAll(ConsumerRig rig) {
    Random choice = new Random(seed + 1);
    Map<Integer, Integer> sequences = new java.util.HashMap<>();
    while (isSending.get()) {
      for (int i = 0; i < 20; i++) {
        int number = distinct.get();
        int key = choice.nextInt(KEYS);
        int partition = key % PARTITIONS;
        var made =
            rig.recordOf(partition, "k" + key, ConsumerRig.newId(), Integer.toString(number));
        made.headers().add("ce_source", ConsumerRig.bytes("//orders"));
        made.headers().add("ce_epoch", ConsumerRig.bytes("1"));
        int sequence = sequences.merge(partition, 1, Integer::sum);
        made.headers().add("ce_sequence", ConsumerRig.bytes(Integer.toString(sequence)));
        rig.send(made);
        distinct.incrementAndGet();
        if (choice.nextInt(20) == 0) {
          rig.send(made);
        }
      }
      rig.flush();
      // About a thousand in a second, so that there is always something to do.
      java.util.concurrent.locks.LockSupport.parkNanos(20_000_000);
    }
  }

  /** A process that runs one consumer. */
  private static ChildProcess member(String name, PostgresDatabase database, ConsumerRig rig)
      throws IOException {
    List<String> command =
        ChildProcess.java(
            "-Xmx256m",
            "-cp",
            System.getProperty("java.class.path").replace("\"", ""),
            ConsumerChild.class.getName(),
            database.jdbcUrl(),
            database.user(),
            database.password(),
            String.valueOf(rig.kafka(Map.of()).get("bootstrap.servers")),
            rig.group(),
            rig.topic(),
            System.getProperty("mode", InboxMode.IDS.name()),
            System.getProperty("assignor", "org.apache.kafka.clients.consumer.RangeAssignor"),
            System.getProperty("offsetsInDatabase", "true"));
    Path output = Files.createTempFile("inbox-member-", ".out");
    output.toFile().deleteOnExit();
    ChildProcess member = new ChildProcess("member " + name, command, output);
    member.start();
    return member;
  }
}
