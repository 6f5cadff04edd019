package io.outboxinbox.agent.stream;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.configure.PipelineConfiguration.BatchConfiguration;
import io.outboxinbox.agent.configure.PipelineConfiguration.UnknownTopic;
import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.park.FloodBreaker;
import io.outboxinbox.agent.park.HeldKeys;
import io.outboxinbox.agent.source.log.SimulatedLog;
import io.outboxinbox.agent.source.log.SimulatedReader;
import io.outboxinbox.agent.stream.TransactionGrouper.Batch;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.lifecycle.AfterContainer;

/**
 * Goal: the position logic loses, repeats and reorders nothing, whatever the log looks like and
 * wherever a crash falls. Method: the real resume point, grouper and acknowledger run over a
 * simulated log against a broker that keeps events and checkpoint together; crashes fall between
 * any two steps, also while a commit's outcome is unknown. jqwik prints the seed of a failure.
 */
class ExactlyOnceProperties {
  private static final int RECORDS = 400;
  private static long steps;

  /** Events and checkpoint, changed together or not at all. */
  private static final class Broker {
    private final List<RoutedEvent> published = new ArrayList<>();
    private Checkpoint checkpoint;

    Broker(Checkpoint seed) {
      this.checkpoint = seed;
    }

    List<Receipt> commit(List<RoutedEvent> batch, Checkpoint after) {
      published.addAll(batch);
      checkpoint = after;
      return batch.stream()
          .map(e -> new Receipt(e.sequenced().sequence(), e.sequenced().position()))
          .toList();
    }
  }

  @Property(tries = 2500)
  void publishesEveryCommittedRowOnceInCommitOrderThroughAnyCrash(@ForAll long seed) {
    Random random = new Random(seed);
    SimulatedLog log = new SimulatedLog(random, RECORDS);
    Broker broker = new Broker(seedOf(log));
    double crashRate = random.nextInt(4) == 0 ? 0.2 : 0.02;
    while (!run(log, broker, random, crashRate)) {
      steps++;
    }
    assertThat(broker.published.stream().map(e -> Long.valueOf(e.sequenced().event().id())))
        .containsExactlyElementsOf(log.expectedIds());
    assertThat(broker.published.stream().map(e -> e.sequenced().sequence()))
        .containsExactlyElementsOf(
            LongStream.rangeClosed(1, log.expectedIds().size()).boxed().toList());
  }

  @AfterContainer
  static void atLeastAMillionStepsWereTaken() {
    System.out.println("exactly-once properties: " + steps + " steps");
    assertThat(steps).isGreaterThan(1_000_000);
  }

  /** Reads until the end of the log or a crash; returns whether it came to the end. */
  private static boolean run(SimulatedLog log, Broker broker, Random random, double crashRate) {
    Checkpoint from = broker.checkpoint;
    BatchConfiguration limits = new BatchConfiguration(10, 1 + random.nextInt(12), Long.MAX_VALUE);
    TransactionGrouper grouper =
        new TransactionGrouper(
            limits,
            new Triage(
                new ScriptedRules(),
                new HeldKeys(),
                new StreamMemory(
                    new FloodBreaker(1, System::nanoTime),
                    new Isolation(),
                    new BatchSize(System::nanoTime)),
                UnknownTopic.PARK),
            from);
    Acknowledger acknowledger =
        new Acknowledger(
            position ->
                // The slot must never be told more than what a restart would ask for.
                assertThat(position.commitLsn())
                    .isLessThanOrEqualTo(broker.checkpoint.position().commitLsn()));
    SimulatedReader reader = new SimulatedReader(log, from.position());
    while (reader.hasNext()) {
      int poll = 1 + random.nextInt(20);
      for (int i = 0; i < poll && reader.hasNext(); i++) {
        steps++;
        take(reader.next(), grouper);
      }
      if (random.nextDouble() < crashRate) {
        return false;
      }
      Batch batch = grouper.takeEnded();
      Checkpoint after = broker.checkpoint.advancedTo(batch.position(), batch.sequence());
      List<Receipt> receipts = broker.commit(batch.events(), after);
      // A crash here is a commit whose outcome the agent never learns.
      if (random.nextDouble() < crashRate) {
        return false;
      }
      acknowledger.acknowledge(batch.events(), batch.position(), receipts);
    }
    return true;
  }

  private static void take(Captured captured, TransactionGrouper grouper) {
    if (captured instanceof Captured.Row row) {
      grouper.add(row);
    } else if (captured instanceof Captured.TransactionEnd end) {
      grouper.add(end);
    }
  }

  private static Checkpoint seedOf(SimulatedLog log) {
    return new Checkpoint(
        new SourceIdentity("1", "db", "pub"),
        "test",
        1,
        "slot",
        "mark",
        1,
        0,
        Checkpoint.BACKLOG_DONE,
        SourcePosition.atCommit(log.start()));
  }
}
