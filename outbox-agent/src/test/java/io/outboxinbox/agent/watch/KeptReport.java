package io.outboxinbox.agent.watch;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.source.SourceConnections;
import java.sql.SQLException;
import java.time.Instant;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Keeps what was found in the background. Used by one thread. */
public final class KeptReport implements WatchReport {
  private int dropped;
  private @Nullable Instant oldestKept;
  private String why = "";

  /** Drops old partitions once, as an agent does from time to time. */
  public void clean(PipelineConfiguration pipeline, Supplier<@Nullable Checkpoint> durable)
      throws SQLException {
    try (Cleaner cleaner =
        new Cleaner(pipeline, new SourceConnections(pipeline.source()), durable, this)) {
      cleaner.clean();
    }
  }

  /** How many partitions, in all. */
  public int dropped() {
    return dropped;
  }

  @Nullable Instant oldestKept() {
    return oldestKept;
  }

  /** Why the oldest had to stay. */
  String why() {
    return why;
  }

  @Override
  public void cleaned(int partitions, @Nullable Instant oldest, String reason) {
    dropped += partitions;
    oldestKept = oldest;
    why = reason;
  }

  @Override
  public void notDropped(String failure) {}

  @Override
  public void madeAhead(String failure) {}

  @Override
  public void wal(long retainedBytes, WalBudget budget) {}
}
