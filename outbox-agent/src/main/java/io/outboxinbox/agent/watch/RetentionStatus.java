package io.outboxinbox.agent.watch;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What became of partitions.
 *
 * @param partitionsDropped by this process
 * @param oldestKept beginning of the oldest partition at the last look; null before it
 * @param why a partition that is old enough had to stay, at the last look; empty if none had to
 * @param warning why none could be made ahead or dropped, at the last try; empty when all is well
 */
public record RetentionStatus(
    long partitionsDropped, @Nullable Instant oldestKept, String why, String warning) {
  public static final RetentionStatus NONE = new RetentionStatus(0, null, "", "");
}
