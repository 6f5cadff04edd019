package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.Positions;
import io.outboxinbox.agent.event.Receipt;
import io.outboxinbox.agent.event.RoutedEvent;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.publish.PublishConfiguration;
import io.outboxinbox.agent.publish.PublishedSearch;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.publish.Replayer;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import java.util.function.Consumer;

/**
 * The real broker, before and after which a session may die: with everything before the broker's
 * transaction done and nothing of it, or with it committed and nothing after it done; where the
 * position is written after the events, also with these confirmed and the position not written.
 */
public final class CrashingPublishing implements PublishConfiguration {

  /** Where a batch ends its session. */
  public enum Crash {
    NONE,
    BEFORE_COMMIT,
    /** Before the commit where events and position go together. */
    BEFORE_POSITION,
    AFTER_COMMIT
  }

  private final PublishConfiguration broker;
  private final BiFunction<List<RoutedEvent>, Checkpoint, Crash> script;
  private final Consumer<Checkpoint> afterCommit;
  private final Runnable beforeAnswer;
  private final Runnable afterAnswer;

  /** How often a session has died. */
  public final AtomicInteger crashes = new AtomicInteger();

  public CrashingPublishing(
      PublishConfiguration broker, BiFunction<List<RoutedEvent>, Checkpoint, Crash> script) {
    this(broker, script, checkpoint -> {}, () -> {}, () -> {});
  }

  /** One that does not die, but does this after each commit. */
  static CrashingPublishing pausing(PublishConfiguration broker, Consumer<Checkpoint> afterCommit) {
    return new CrashingPublishing(
        broker, (batch, after) -> Crash.NONE, afterCommit, () -> {}, () -> {});
  }

  /** One that does not die, but does this once it has been asked for the checkpoints. */
  public static CrashingPublishing asked(PublishConfiguration broker, Runnable afterAnswer) {
    return new CrashingPublishing(
        broker, (batch, after) -> Crash.NONE, checkpoint -> {}, () -> {}, afterAnswer);
  }

  /**
   * One that does not die, but does this when it is asked for the checkpoints, before it answers.
   */
  public static CrashingPublishing asking(PublishConfiguration broker, Runnable beforeAnswer) {
    return new CrashingPublishing(
        broker, (batch, after) -> Crash.NONE, checkpoint -> {}, beforeAnswer, () -> {});
  }

  private CrashingPublishing(
      PublishConfiguration broker,
      BiFunction<List<RoutedEvent>, Checkpoint, Crash> script,
      Consumer<Checkpoint> afterCommit,
      Runnable beforeAnswer,
      Runnable afterAnswer) {
    this.broker = broker;
    this.script = script;
    this.afterCommit = afterCommit;
    this.beforeAnswer = beforeAnswer;
    this.afterAnswer = afterAnswer;
  }

  /** The same pipeline with this broker. */
  public PipelineConfiguration in(PipelineConfiguration pipeline) {
    return new PipelineConfiguration(
        pipeline.name(),
        pipeline.source(),
        pipeline.route(),
        this,
        pipeline.batch(),
        pipeline.leadership(),
        pipeline.retry(),
        pipeline.parking(),
        pipeline.wal(),
        pipeline.retention());
  }

  @Override
  public Publisher newPublisher(Positions ofDatabase) {
    CrashingPositions positions = new CrashingPositions(ofDatabase);
    return new Crashing(broker.newPublisher(positions), positions);
  }

  @Override
  public boolean needsPositions() {
    return broker.needsPositions();
  }

  @Override
  public Replayer newReplayer() {
    return broker.newReplayer();
  }

  @Override
  public List<String> reservedTopics() {
    return broker.reservedTopics();
  }

  @Override
  public List<Finding> preflight(List<String> topics) {
    return broker.preflight(topics);
  }

  private final class Crashing implements Publisher {
    private final Publisher real;
    private final CrashingPositions positions;

    Crashing(Publisher real, CrashingPositions positions) {
      this.real = real;
      this.positions = positions;
    }

    @Override
    public boolean mayRepeat() {
      return real.mayRepeat();
    }

    @Override
    public Optional<Checkpoint> takeOver(SourceIdentity source) {
      return real.takeOver(source);
    }

    @Override
    public List<Checkpoint> allCheckpoints() {
      beforeAnswer.run();
      List<Checkpoint> checkpoints = real.allCheckpoints();
      afterAnswer.run();
      return checkpoints;
    }

    @Override
    public void check(RoutedEvent event) {
      real.check(event);
    }

    @Override
    public List<Receipt> publishBatch(List<RoutedEvent> batch, Checkpoint after) {
      Crash crash = script.apply(batch, after);
      boolean isBefore = crash == Crash.BEFORE_POSITION && !real.mayRepeat();
      if (crash == Crash.BEFORE_COMMIT || isBefore) {
        crashes.incrementAndGet();
        throw new IllegalStateException("crash before the commit");
      }
      positions.isNextLost = crash == Crash.BEFORE_POSITION;
      List<Receipt> receipts = real.publishBatch(batch, after);
      if (crash == Crash.AFTER_COMMIT) {
        crashes.incrementAndGet();
        throw new IllegalStateException("crash after the commit");
      }
      afterCommit.accept(after);
      return receipts;
    }

    @Override
    public Optional<String> cluster() {
      return real.cluster();
    }

    @Override
    public Optional<PublishedSearch> search(SearchScope scope) {
      return real.search(scope);
    }

    @Override
    public void forget(SourceIdentity source) {
      real.forget(source);
    }

    @Override
    public void close() {
      real.close();
    }
  }

  /** The session may die before a position is written. */
  private final class CrashingPositions implements Positions {
    private final Positions real;
    private boolean isNextLost;

    CrashingPositions(Positions real) {
      this.real = real;
    }

    @Override
    public Optional<Checkpoint> takeOver(SourceIdentity source) {
      return real.takeOver(source);
    }

    @Override
    public List<Checkpoint> allCheckpoints() {
      return real.allCheckpoints();
    }

    @Override
    public void write(Checkpoint checkpoint) {
      if (isNextLost) {
        crashes.incrementAndGet();
        throw new IllegalStateException("crash before the position");
      }
      real.write(checkpoint);
    }

    @Override
    public void forget(SourceIdentity source) {
      real.forget(source);
    }
  }
}
