package io.outboxinbox.agent.park;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.pipeline.CrashingPublishing;
import io.outboxinbox.agent.pipeline.CrashingPublishing.Crash;
import io.outboxinbox.agent.pipeline.ParkingRig;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.pipeline.PipelineRig.Memory;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Parks and releases exactly once wherever a session dies. Between its two databases an agent can
 * die at two places that matter: with the table written and the broker not, and with the broker
 * written and the table not. Where positions are in a table too there is a third in between.
 */
@ParameterizedClass
@EnumSource(Memory.class)
class ParkingCrashIT {
  /** PostgreSQL: deadlock_detected. */
  private static final String DEADLOCK = "40P01";

  @Parameter Memory memory;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  /** What the next batch that does something dies of. */
  private final AtomicReference<Crash> next = new AtomicReference<>(Crash.NONE);

  private volatile long ordinal;
  private volatile long release;
  private PipelineRig rig;
  private ParkingRig parked;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka, memory);
    parked = new ParkingRig(rig);
  }

  @AfterEach
  void tearDown() throws Exception {
    parked.close();
    rig.close();
  }

  private Crash script(List<RoutedEvent> batch, Checkpoint after) {
    boolean isParking = after.parking().lastOrdinal() > ordinal;
    boolean isRelease = after.parking().lastRelease() > release;
    if (!isParking && !isRelease) {
      return Crash.NONE;
    }
    Crash crash = next.getAndSet(Crash.NONE);
    if (crash == Crash.NONE || crash == Crash.AFTER_COMMIT) {
      ordinal = after.parking().lastOrdinal();
      release = after.parking().lastRelease();
    }
    return crash;
  }

  @ParameterizedTest
  @EnumSource(
      value = Crash.class,
      names = {"NONE"},
      mode = EnumSource.Mode.EXCLUDE)
  void parksOnceAndReleasesOnceThroughACrash(Crash crash) throws Exception {
    CrashingPublishing broker =
        new CrashingPublishing(rig.configuration("").publish(), this::script);
    next.set(crash);
    Pipeline pipeline = rig.start(broker.in(rig.configuration("")));
    rig.awaitState(pipeline, State.LEADING);
    parked.insert("bad", "k", "later", "{}");
    parked.insert("k2", "k", null, "{}");
    parked.insert("other", "o", null, "{}");
    parked.awaitPublished("other");
    parked.awaitWaiting(2);
    rig.await(() -> rig.checkpoint().parking().lastOrdinal() == 2);
    assertThat(broker.crashes.get()).isEqualTo(1);
    assertThat(parked.rows("ordinal || event_type", "true")).containsExactly("1bad", "2k2");
    next.set(crash);
    rig.execute("UPDATE outbox_parked SET topic = NULL, requested = 'release' WHERE NOT is_behind");
    parked.awaitPublished("other", "bad", "k2");
    parked.awaitWaiting(0);
    assertThat(broker.crashes.get()).isEqualTo(2);
    assertThat(parked.publishedOf("k")).containsExactly("bad", "k2");
    assertThat(parked.sequences()).hasSize(3);
    rig.assertThatNumbersFit(parked.sequences());
    assertThat(parked.rows("published_sequence::text", "true")).isEqualTo(parked.sequencesOf("k"));
    boolean isSentTwice = memory == Memory.DATABASE && crash == Crash.BEFORE_POSITION;
    assertThat(rig.repeats() > 0).as("events were sent twice").isEqualTo(isSentTwice);
    parked.insert("k3", "k", null, "{}");
    parked.awaitPublished("other", "bad", "k2", "k3");
  }

  @Test
  void putsBackWhatWasNeverPublishedSoThatItCanStillBeDiscarded() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitState(pipeline, State.LEADING);
    parked.insert("bad", "k", "later", "{}");
    parked.awaitWaiting(1);
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
    // As a session leaves it that dies before the commit of release 1: the checkpoint says 0.
    rig.execute(
        "UPDATE outbox_parked SET release = 1, published_sequence = 1, requested = 'discard'");
    Pipeline again = rig.start("");
    rig.awaitState(again, State.LEADING);
    await()
        .atMost(Duration.ofSeconds(90))
        .until(() -> parked.rows("state", "true").equals(List.of("discarded")));
    assertThat(parked.rows("coalesce(published_sequence::text, 'none')", "true"))
        .containsExactly("none");
  }

  @Test
  void losesRepeatsAndReordersNothingThroughRandomCrashes() throws Exception {
    long seed = System.nanoTime();
    System.out.println("ParkingCrashIT seed " + seed);
    Random random = new Random(seed);
    Random crashes = new Random(seed + 1);
    AtomicInteger calls = new AtomicInteger();
    CrashingPublishing broker =
        new CrashingPublishing(
            rig.configuration("").publish(),
            (batch, after) ->
                // The first three crash whatever the dice say: there may be few batches.
                switch (calls.get() < 3 ? calls.getAndIncrement() : crashes.nextInt(6)) {
                  case 0 -> Crash.BEFORE_COMMIT;
                  case 1 -> Crash.AFTER_COMMIT;
                  case 2 -> Crash.BEFORE_POSITION;
                  default -> Crash.NONE;
                });
    rig.start(broker.in(rig.configuration("")));
    Map<String, List<String>> expected = new HashMap<>();
    int events = 400;
    for (int i = 0; i < events; i++) {
      String key = "k" + random.nextInt(8);
      boolean isBad = random.nextInt(10) == 0;
      parked.insert("e" + i, key, isBad ? "later" : null, "{}");
      expected.computeIfAbsent(key, k -> new ArrayList<>()).add("e" + i);
      if (random.nextInt(20) == 0) {
        release();
      }
    }
    await()
        .atMost(Duration.ofMinutes(2))
        .pollInterval(Duration.ofMillis(500))
        .until(
            () -> {
              release();
              return rig.consume().size() >= events
                  && parked.rows("event_type", "state = 'waiting'").isEmpty();
            });
    Map<String, List<String>> published = new HashMap<>();
    for (ConsumerRecord<String, byte[]> record : rig.consume()) {
      published
          .computeIfAbsent(record.key(), k -> new ArrayList<>())
          .add(PipelineRig.header(record, "ce_type"));
    }
    assertThat(published).as("seed %d", seed).isEqualTo(expected);
    rig.assertThatNumbersFit(parked.sequences());
    System.out.println(
        "ParkingCrashIT: %d crashes, %d repeats".formatted(broker.crashes.get(), rig.repeats()));
    assertThat(broker.crashes.get()).isGreaterThanOrEqualTo(2);
  }

  /**
   * Many at once, beside an agent that writes them in its own order: one of both may lose a
   * deadlock.
   */
  private void release() throws Exception {
    try {
      rig.execute(
          "UPDATE outbox_parked SET topic = NULL WHERE state = 'waiting' AND release IS NULL",
          "UPDATE outbox_parked SET requested = 'release'"
              + " WHERE state = 'waiting' AND NOT is_behind AND requested IS NULL");
    } catch (SQLException e) {
      // The next one does it.
      assertThat(e.getSQLState()).as("%s", e).isEqualTo(DEADLOCK);
    }
  }
}
