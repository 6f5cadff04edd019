package io.outboxinbox.agent.stream;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.configure.PipelineConfiguration.BatchConfiguration;
import io.outboxinbox.agent.configure.PipelineConfiguration.UnknownTopic;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.park.FloodBreaker;
import io.outboxinbox.agent.park.ParkingLot;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.source.log.SimulatedLog;
import io.outboxinbox.agent.source.log.SimulatedReader;
import io.outboxinbox.agent.stream.TransactionGrouper.Batch;
import java.sql.SQLException;
import java.time.Clock;
import java.util.EnumMap;
import java.util.Map;
import java.util.Random;
import java.util.stream.LongStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.lifecycle.AfterContainer;

/**
 * Goal: the position logic loses and reorders nothing, and repeats nothing that a broker takes
 * together with its checkpoint, whatever the log looks like and wherever a crash falls. Method: the
 * real resume point, grouper and commit run over a simulated log against both kinds of memory;
 * crashes fall between any two changes, also while a commit's outcome is unknown. jqwik prints the
 * seed of a failure.
 */
class ExactlyOnceProperties {
  private static final int RECORDS = 400;
  private static final Map<SimulatedBroker.Kind, Long> steps =
      new EnumMap<>(SimulatedBroker.Kind.class);

  @Property(tries = 2500)
  void publishesEveryCommittedRowOnceInCommitOrderThroughAnyCrash(@ForAll long seed)
      throws SQLException {
    World world = new World(seed, SimulatedBroker.Kind.TOGETHER);
    world.run();
    assertThat(world.broker.arrived).hasSameSizeAs(world.broker.arrivedOnce());
  }

  @Property(tries = 2500)
  void repeatsOnlyWithTheNumbersTheyHadWhereTheCheckpointIsWrittenLater(@ForAll long seed)
      throws SQLException {
    new World(seed, SimulatedBroker.Kind.ONE_AFTER_THE_OTHER).run();
  }

  @AfterContainer
  static void atLeastAMillionStepsWereTakenOfEachKind() {
    System.out.println("exactly-once properties: steps " + steps);
    assertThat(steps.values()).hasSize(2).allSatisfy(n -> assertThat(n).isGreaterThan(1_000_000));
  }

  /** One source and its broker; outlives crashes. */
  private static final class World {
    private final SimulatedBroker.Kind kind;
    private final Random random;
    private final double crashRate;
    private final SimulatedLog log;
    private final SimulatedBroker broker;

    World(long seed, SimulatedBroker.Kind kind) {
      this.kind = kind;
      random = new Random(seed);
      log = new SimulatedLog(random, RECORDS);
      crashRate = random.nextInt(4) == 0 ? 0.2 : 0.02;
      broker = new SimulatedBroker(seedOf(log), this::maybeCrash);
    }

    private void maybeCrash() {
      // Of a batch with many events some must get through at last.
      if (random.nextDouble() < crashRate / 4) {
        throw new Crash();
      }
    }

    void run() throws SQLException {
      boolean isDone = false;
      while (!isDone) {
        try {
          isDone = session();
        } catch (Crash crash) {
          step();
        }
      }
      assertThat(broker.arrivedOnce().stream().map(e -> Long.valueOf(e.sequenced().event().id())))
          .containsExactlyElementsOf(log.expectedIds());
      assertThat(broker.arrivedOnce().stream().map(e -> e.sequenced().sequence()))
          .containsExactlyElementsOf(
              LongStream.rangeClosed(1, log.expectedIds().size()).boxed().toList());
    }

    private void step() {
      steps.merge(kind, 1L, Long::sum);
    }

    /** Reads until the end of the log or a crash; returns whether it came to the end. */
    private boolean session() throws SQLException {
      Checkpoint durable = broker.checkpoint;
      Publisher publisher = broker.publisher(kind);
      StreamMemory memory =
          new StreamMemory(
              new FloodBreaker(1, System::nanoTime),
              new Isolation(),
              new BatchSize(System::nanoTime));
      ParkingLot lot =
          new ParkingLot(
              new MemoryParkedEvents(() -> {}), ParkingProperties.UNSEEN, Clock.systemUTC());
      TransactionGrouper grouper =
          new TransactionGrouper(
              new BatchConfiguration(10, 1 + random.nextInt(12), Long.MAX_VALUE),
              new Triage(new ScriptedRules(), lot.held(), memory, UnknownTopic.PARK),
              publisher.mayRepeat(),
              durable);
      Commit commit =
          new Commit(
              publisher,
              lot,
              memory,
              position ->
                  // The slot must never be told more than what a restart would ask for.
                  assertThat(position.commitLsn())
                      .isLessThanOrEqualTo(broker.checkpoint.position().commitLsn()));
      SimulatedReader reader = new SimulatedReader(log, durable.position());
      while (reader.hasNext()) {
        int poll = 1 + random.nextInt(20);
        for (int i = 0; i < poll && reader.hasNext(); i++) {
          step();
          take(reader.next(), grouper);
        }
        maybeCrash();
        Batch batch = grouper.takeEnded();
        Checkpoint after = durable.advancedTo(batch.position(), batch.sequence());
        durable =
            commit.run(
                new Commit.Step(batch.events(), batch.parked(), after), durable, refusal -> {});
      }
      return true;
    }
  }

  /** Ends a session where it stands. */
  static final class Crash extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  static void take(Captured captured, TransactionGrouper grouper) {
    if (captured instanceof Captured.Row row) {
      grouper.add(row);
    } else if (captured instanceof Captured.TransactionEnd end) {
      grouper.add(end);
    }
  }

  static Checkpoint seedOf(SimulatedLog log) {
    return new Checkpoint(
        new SourceIdentity("1", "db", "pub"),
        "test",
        1,
        "slot",
        "mark",
        1,
        0,
        Checkpoint.BACKLOG_DONE,
        SourcePosition.atCommit(log.start()),
        Checkpoint.Parking.NONE,
        0,
        0,
        0);
  }
}
