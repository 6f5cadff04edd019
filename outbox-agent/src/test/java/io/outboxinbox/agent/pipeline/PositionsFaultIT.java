package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Lsn;
import io.outboxinbox.agent.operate.PositionCheck;
import io.outboxinbox.agent.operate.ReconcileRequest;
import io.outboxinbox.agent.operate.SourceReset;
import io.outboxinbox.agent.pipeline.PipelineRig.Memory;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import io.outboxinbox.agent.publish.kafka.PlainKafka;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What can go wrong only where the position is written after the events, into the source database.
 * Everything else: the tests that run with both kinds of memory.
 */
class PositionsFaultIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PipelineRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = new PipelineRig(postgres, kafka, Memory.DATABASE);
  }

  @AfterEach
  void tearDown() throws Exception {
    rig.close();
  }

  @Test
  void losesNothingWhereTheBrokerConfirmsOnlyAPart() throws Exception {
    AtomicInteger left = new AtomicInteger(6);
    Pipeline pipeline =
        rig.start(
            PlainKafka.in(
                rig.configuration(""),
                // The answer to one wave in two is lost, as long as there are some to lose.
                sent -> left.get() == 0 || left.getAndDecrement() % 2 == 0));
    rig.awaitLeading(pipeline);
    for (int round = 0; round < 3; round++) {
      rig.insert(round * 20, round * 20 + 20);
      rig.awaitEvents(round * 20 + 20);
    }
    rig.await(() -> rig.checkpoint().sequence() == 60);
    rig.assertThatEventsAreExactly(60);
    assertThat(left).hasValue(0);
    assertThat(rig.repeats()).as("events sent again").isPositive();
  }

  /** At any wave of any batch; another agent goes on each time, as after a crash of the process. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void repeatsWithTheNumbersTheyHadWhereverItDies(int tables) throws Exception {
    @Nullable TwoTables two = tables == 2 ? new TwoTables(rig) : null;
    long seed = System.nanoTime();
    System.out.println("PositionsFaultIT seed " + seed);
    Random random = new Random(seed);
    insert(two, 0, 60);
    for (int round = 0; round < 6; round++) {
      AtomicInteger waves = new AtomicInteger(1 + random.nextInt(8));
      AtomicInteger deaths = new AtomicInteger();
      Pipeline pipeline =
          rig.start(
              PlainKafka.in(
                  rig.batch("{maxEvents: 30, atomicEvents: 12}"),
                  sent -> {
                    if (waves.decrementAndGet() == 0) {
                      deaths.incrementAndGet();
                      throw new IllegalStateException("dies after " + sent + " of a batch");
                    }
                    return true;
                  }));
      insert(two, 60 + round * 40, 100 + round * 40);
      rig.await(() -> deaths.get() > 0);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
    }
    rig.awaitLeading(rig.start(""));
    rig.awaitEvents(300);
    rig.assertThatEventsAreExactly(300);
    System.out.println("PositionsFaultIT: " + rig.repeats() + " repeats");
    assertThat(rig.repeats()).isPositive();
  }

  private void insert(@Nullable TwoTables two, int from, int to) throws Exception {
    if (two == null) {
      rig.insert(from, to);
    } else {
      two.insert(from, to, true);
    }
  }

  /** The process is gone at once, with whatever it had on its connections. */
  @Test
  void losesNothingWhereverItsProcessIsKilled(@TempDir Path folder) throws Exception {
    long seed = System.nanoTime();
    System.out.println("PositionsFaultIT seed " + seed);
    Random random = new Random(seed);
    Path yaml = folder.resolve("agent.yml");
    Files.writeString(yaml, rig.yaml("{maxEvents: 30, atomicEvents: 12}"));
    rig.insert(0, 60);
    for (int round = 0; round < 6; round++) {
      Process agent = haltingAgent(yaml, 2 + random.nextInt(12));
      try {
        rig.insert(60 + round * 40, 100 + round * 40);
        assertThat(agent.waitFor(90, TimeUnit.SECONDS)).as("round %d ended", round).isTrue();
        assertThat(agent.exitValue()).isEqualTo(HaltingAgent.KILLED);
      } finally {
        agent.destroyForcibly();
      }
    }
    rig.awaitLeading(rig.start(""));
    rig.awaitEvents(300);
    rig.assertThatEventsAreExactly(300);
    System.out.println("PositionsFaultIT: " + rig.repeats() + " repeats after kills");
  }

  private static Process haltingAgent(Path yaml, int step) throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx256m",
            "-cp",
            System.getProperty("java.class.path").replace("\"", ""),
            HaltingAgent.class.getName(),
            yaml.toString(),
            String.valueOf(step))
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .start();
  }

  /** PostgreSQL forgets the log before it. */
  @Test
  void theSlotIsNeverAheadOfThePosition() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitLeading(pipeline);
    for (int i = 0; i < 40; i++) {
      rig.insert(i * 5, i * 5 + 5);
      // In this order: the position only grows.
      long slot =
          Lsn.parse(
              rig.query(
                  "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = 'outbox_agent' AND database = current_database()"));
      assertThat(slot).isLessThanOrEqualTo(rig.checkpoint().position().commitLsn());
    }
    rig.awaitEvents(200);
    rig.assertThatEventsAreExactly(200);
  }

  /** The position comes with the database, so its lack cannot show that it is another broker. */
  @Test
  void stopsAtAnotherBrokerUntilAnOperatorDecides() throws Exception {
    Pipeline before = rig.start("");
    rig.awaitLeading(before);
    rig.insert(0, 20);
    rig.awaitEvents(20);
    assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
    Checkpoint position = rig.checkpoint();
    rig.execute("UPDATE outbox_agent_source SET broker = 'another'");
    assertThat(PositionCheck.run(rig.configuration("")))
        .extracting(Finding::what)
        .singleElement()
        .asString()
        .contains("has published to broker another before");
    Pipeline stopped = rig.start("onGap: reconcile");
    rig.awaitState(stopped, State.STOPPED);
    assertThat(new ReconcileRequest(rig.configuration(""), "operator").preview(null).candidates())
        .as("the position says nothing of that broker")
        .isEqualTo(20);
    assertThat(stopped.status().reason())
        .contains("has published to broker another before")
        .contains("point publish at the right broker");
    new ReconcileRequest(rig.configuration(""), "operator").ask(null);
    rig.awaitLeading(stopped);
    rig.insert(20, 30);
    rig.awaitEvents(30);
    assertThat(rig.numbersOf(rig.consume()))
        .containsExactlyInAnyOrderElementsOf(IntStream.range(0, 30).boxed().toList());
    assertThat(rig.checkpoint().epoch()).isGreaterThan(position.epoch());
  }

  /** Whoever begins anew does so wherever he wants. */
  @Test
  void beginsAnewAtAnotherBrokerOnceItWasReset() throws Exception {
    Pipeline before = rig.start("");
    rig.awaitLeading(before);
    rig.insert(0, 5);
    rig.awaitEvents(5);
    assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
    rig.execute("UPDATE outbox_agent_source SET broker = 'another'");
    new SourceReset(rig.configuration(""), "operator").run();
    rig.awaitLeading(rig.start("existingRows: skip"));
    rig.insert(5, 8);
    rig.awaitEvents(8);
    assertThat(rig.numbersOf(rig.consume()))
        .containsExactlyInAnyOrderElementsOf(IntStream.range(0, 8).boxed().toList());
  }

  /** A restored copy has the position of the cluster it comes from, too. */
  @Test
  void aResetForgetsAlsoThePositionOfAClusterBefore() throws Exception {
    Pipeline before = rig.start("");
    rig.awaitLeading(before);
    rig.insert(0, 5);
    rig.awaitEvents(5);
    rig.await(() -> rig.checkpoint().sequence() == 5);
    assertThat(before.stop(Duration.ofSeconds(20))).isTrue();
    rig.execute(
        """
        INSERT INTO outbox_agent_position (source, turn, checkpoint)
        SELECT '17' || source, 9, regexp_replace(checkpoint, '"systemId":"', '"systemId":"17')
        FROM outbox_agent_position
        """);
    assertThat(new SourceReset(rig.configuration(""), "operator").run()).isNotEmpty();
    assertThat(rig.query("SELECT count(checkpoint) FROM outbox_agent_position")).isEqualTo("0");
    assertThat(rig.hasSlot()).isFalse();
  }

  @Test
  void checkComparesWhatTheTableRemembers() throws Exception {
    Pipeline pipeline = rig.start("");
    rig.awaitLeading(pipeline);
    rig.insert(0, 3);
    rig.awaitEvents(3);
    rig.await(() -> rig.checkpoint().sequence() == 3);
    assertThat(PositionCheck.run(rig.configuration("")))
        .extracting(Finding::what)
        .anyMatch(what -> what.startsWith("position: sequence 3 of epoch"));
    assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
    rig.dropSlot();
    assertThat(PositionCheck.run(rig.configuration("")))
        .extracting(Finding::what)
        .anyMatch(what -> what.contains("does not exist, but events up to"));
  }
}
