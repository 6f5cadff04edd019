package io.outboxinbox.agent.stream;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import io.outboxinbox.agent.configure.PipelineConfiguration.BatchConfiguration;
import io.outboxinbox.agent.configure.PipelineConfiguration.UnknownTopic;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.park.FloodBreaker;
import io.outboxinbox.agent.park.ParkingLot;
import io.outboxinbox.agent.park.ParkingReport;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.source.log.SimulatedLog;
import io.outboxinbox.agent.source.log.SimulatedReader;
import io.outboxinbox.agent.stream.TransactionGrouper.Batch;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;

/**
 * Goal: parking and releasing lose, repeat and reorder nothing, whatever is rejected, whenever
 * operators ask, and wherever a crash falls. Method: the real grouper, triage, parking lot and
 * releases run over a simulated log against a broker and a table in memory, which change one after
 * the other; a crash may fall before and after each change. jqwik prints the seed of a failure.
 */
class ParkingProperties {
  private static final int RECORDS = 150;

  /** Nobody looks. */
  static final ParkingReport UNSEEN =
      new ParkingReport() {
        @Override
        public void parked(int events) {}

        @Override
        public void waiting(long events, int keys, @Nullable Instant oldestAt) {}
      };

  private static long crashes;
  private static long refusals;
  private static long released;

  /** One source, its broker and its operators; outlives crashes. */
  private static final class World {
    private final Random random;
    private final double crashRate;
    private final SimulatedLog log;
    private final ScriptedRules rules = new ScriptedRules();
    private final MemoryParkedEvents table = new MemoryParkedEvents(this::maybeCrash);
    private final Set<String> discarded = new java.util.HashSet<>();
    private final SimulatedBroker broker;
    private final Publisher publisher;
    private StreamMemory memory;
    private long readUntil;
    private long nanos;

    World(long seed, SimulatedBroker.Kind kind) {
      random = new Random(seed);
      crashRate = random.nextInt(3) == 0 ? 0.1 : 0.01;
      log = new SimulatedLog(random, RECORDS);
      broker = new SimulatedBroker(ExactlyOnceProperties.seedOf(log), this::maybeCrash);
      publisher = broker.publisher(kind);
      memory = nothingLearnt();
      rules.chooseTopics(ParkingProperties::topicOf);
      for (Long id : log.expectedIds()) {
        if (random.nextInt(12) == 0) {
          rules.refuse(String.valueOf(id));
        } else if (random.nextInt(24) == 0) {
          rules.refuseOfUnknownTopic(String.valueOf(id));
        } else if (random.nextInt(40) == 0) {
          broker.refused.add(String.valueOf(id));
        }
      }
    }

    /** What outlives a session, but no crash. */
    private StreamMemory nothingLearnt() {
      return new StreamMemory(
          new FloodBreaker(100_000, () -> nanos), new Isolation(), new BatchSize(() -> nanos));
    }

    void maybeCrash() {
      if (random.nextDouble() < crashRate) {
        crashes++;
        throw new ExactlyOnceProperties.Crash();
      }
    }

    /** What is read was committed; a part of its transaction may be published before its end. */
    void noteRead(Captured read, SimulatedReader reader) {
      long commitLsn =
          read instanceof Captured.TransactionEnd end
              ? end.position().commitLsn()
              : reader.nextCommitLsn();
      readUntil = Math.max(readUntil, commitLsn);
    }

    /** Operators mend, release too early, change their minds, discard. */
    void operate(int chances) {
      for (MemoryParkedEvents.Row row : table.waiting()) {
        if (random.nextInt(100) >= chances || row.isBehind) {
          continue;
        }
        if (random.nextInt(10) == 0 && row.release == 0) {
          row.requested = "discard";
        } else {
          if (random.nextInt(4) > 0) {
            rules.accept(row.id());
            broker.refused.remove(row.id());
          }
          row.requested = "release";
        }
      }
    }
  }

  @Property(tries = 500)
  void publishesEveryRowOnceInOrderPerKeyThroughAnyCrash(@ForAll long seed) throws SQLException {
    World world = new World(seed, SimulatedBroker.Kind.TOGETHER);
    run(world);
    assertThat(world.broker.arrived.stream().map(e -> e.sequenced().sequence()))
        .containsExactlyElementsOf(
            LongStream.rangeClosed(1, world.broker.arrived.size()).boxed().toList());
  }

  @Property(tries = 500)
  void repeatsOnlyWithTheNumbersTheyHadWhereTheCheckpointIsWrittenLater(@ForAll long seed)
      throws SQLException {
    World world = new World(seed, SimulatedBroker.Kind.ONE_AFTER_THE_OTHER);
    run(world);
    assertThat(world.broker.arrivedOnce().stream().map(e -> e.sequenced().sequence()))
        .doesNotHaveDuplicates();
  }

  private static void run(World world) throws SQLException {
    boolean isDone = false;
    while (!isDone) {
      try {
        session(world);
        isDone = true;
      } catch (AgentException.Retryable refused) {
        refusals++;
        if (!world.publisher.mayRepeat()) {
          assertThat(world.table.waiting())
              .as("waits again at once, for whoever looks while nobody leads")
              .noneMatch(row -> row.release > world.broker.checkpoint.parking().lastRelease());
        }
        world.operate(world.random.nextInt(2) * 30);
      } catch (ExactlyOnceProperties.Crash crash) {
        world.memory = world.nothingLearnt();
        // The next session begins with what is durable; by then operators may have mended
        // something.
        world.operate(world.random.nextInt(2) * 30);
      }
    }
    world.table.rows.values().stream()
        .filter(row -> row.state == MemoryParkedEvents.State.DISCARDED)
        .forEach(row -> world.discarded.add(row.id()));
    assertThat(world.table.waiting()).as("what waits, and nobody lets go").isEmpty();
    assertThat(byKey(idsPublished(world))).isEqualTo(byKey(idsExpected(world)));
    Map<Long, String> byNumber =
        world.broker.arrivedOnce().stream()
            .collect(
                Collectors.toMap(e -> e.sequenced().sequence(), e -> e.sequenced().event().id()));
    for (MemoryParkedEvents.Row row : world.table.rows.values()) {
      if (row.state == MemoryParkedEvents.State.RELEASED) {
        released++;
        assertThat(byNumber).containsEntry(row.sequence, row.id());
      }
    }
  }

  /** Each of many thousand sessions would say what it parks. */
  @BeforeContainer
  static void logNothing() {
    ((Logger) LoggerFactory.getLogger(ParkingLot.class)).setLevel(Level.OFF);
  }

  @AfterContainer
  static void crashesAndReleasesWereMany() {
    ((Logger) LoggerFactory.getLogger(ParkingLot.class)).setLevel(null);
    System.out.printf(
        "parking properties: %d crashes, %d refusals, %d released%n", crashes, refusals, released);
    assertThat(crashes).isGreaterThan(1000);
    assertThat(refusals).isGreaterThan(1000);
    assertThat(released).isGreaterThan(10_000);
  }

  /** What one session has. */
  private static final class Session {
    final World world;
    final ParkingLot lot;
    final Releases releases;
    final Commit commit;
    private long committedLsn;

    Session(World world) {
      this.world = world;
      StreamMemory memory = world.memory;
      memory.beginSession();
      lot = new ParkingLot(world.table, UNSEEN, Clock.systemUTC());
      releases =
          new Releases(
              lot,
              new Releases.Rules(
                  world.rules,
                  SimulatedReader.rowCheck(),
                  memory.isolation(),
                  memory.size(),
                  () -> world.nanos),
              (released, after) -> {});
      committedLsn = world.broker.checkpoint.position().commitLsn();
      commit = new Commit(world.publisher, lot, memory, this::noteCommitted);
    }

    /** The log may go only up to what is remembered. */
    private void noteCommitted(SourcePosition position) {
      assertThat(position.commitLsn())
          .isLessThanOrEqualTo(world.broker.checkpoint.position().commitLsn())
          .isGreaterThanOrEqualTo(committedLsn);
      committedLsn = position.commitLsn();
    }

    Checkpoint open() throws SQLException {
      Checkpoint durable = world.broker.checkpoint;
      lot.align(durable);
      if (commit.mayRepeat()) {
        durable = releases.resume(commit, durable);
        releases.holdUntil(world.readUntil);
      }
      lot.open(durable, releases::flow);
      return durable;
    }

    TransactionGrouper grouper(Checkpoint from) {
      return new TransactionGrouper(
          new BatchConfiguration(10, 1 + world.random.nextInt(12), Long.MAX_VALUE),
          new Triage(world.rules, lot.held(), world.memory, UnknownTopic.PARK),
          commit.mayRepeat(),
          from);
    }
  }

  /** Reads until the end of the log and until nothing waits. */
  private static void session(World world) throws SQLException {
    Session session = new Session(world);
    Checkpoint durable = session.open();
    TransactionGrouper grouper = session.grouper(durable);
    SimulatedReader reader = new SimulatedReader(world.log, durable.position());
    // Where something waits that nobody lets go, the assertion on what waits shows it.
    for (int idle = 0; idle < 200; ) {
      int poll = 1 + world.random.nextInt(20);
      for (int i = 0; i < poll && reader.hasNext(); i++) {
        Captured read = reader.next();
        world.noteRead(read, reader);
        ExactlyOnceProperties.take(read, grouper);
      }
      Batch batch = grouper.takeEnded();
      boolean hasMoved = !batch.position().equals(durable.position());
      if (!batch.isEmpty() || (hasMoved && world.random.nextInt(3) == 0)) {
        Checkpoint after = durable.advancedTo(batch.position(), batch.sequence());
        durable =
            session.commit.run(
                new Commit.Step(batch.events(), batch.parked(), after),
                durable,
                refusal -> world.memory.isolation().refused(batch.events(), refusal));
      }
      world.operate(reader.hasNext() ? 3 : 50);
      world.nanos += world.random.nextInt(2) * 1_000_000_001L;
      if (grouper.isIdle()) {
        durable = session.releases.run(session.commit, durable, batch.parked().size());
        grouper.skipTo(durable.sequence());
      }
      if (!reader.hasNext()) {
        idle++;
        if (world.table.waiting().isEmpty()) {
          return;
        }
      }
    }
  }

  private static List<Long> idsPublished(World world) {
    return world.broker.arrivedOnce().stream()
        .map(e -> Long.valueOf(e.sequenced().event().id()))
        .toList();
  }

  private static List<Long> idsExpected(World world) {
    return world.log.expectedIds().stream()
        .filter(id -> !world.discarded.contains(String.valueOf(id)))
        .toList();
  }

  private static String topicOf(String id) {
    return Long.parseLong(id) % 5 == 0 ? "b" : "a";
  }

  /** Order is kept per topic and key. */
  private static Map<String, List<Long>> byKey(List<Long> ids) {
    return ids.stream()
        .collect(
            Collectors.groupingBy(
                id -> topicOf(String.valueOf(id)) + SimulatedReader.keyOf(id),
                HashMap::new,
                Collectors.toList()));
  }
}
