package io.outboxinbox.agent.source.log;

import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.connect.storage.OffsetStorageReader;

/**
 * The offset Debezium resumes from and flushes to the slot: always a COMMIT, never a row.
 *
 * <p>Without {@code lsn_proc} Debezium's search for the resume point is off, and with it its two
 * ways to lose events: rows that share one LSN, and a transaction that starts where a COMMIT ended.
 * PostgreSQL then resends every transaction committed at or after this LSN. Thread-safe: Debezium's
 * flush runs on a thread of its own.
 */
final class OffsetAtCommit implements OffsetStorageReader {
  private volatile long commitLsn;

  OffsetAtCommit(long commitLsn) {
    this.commitLsn = commitLsn;
  }

  long commitLsn() {
    return commitLsn;
  }

  /** Moves on; returns whether it did. */
  boolean advanceTo(long newCommitLsn) {
    if (Long.compareUnsigned(newCommitLsn, commitLsn) <= 0) {
      return false;
    }
    commitLsn = newCommitLsn;
    return true;
  }

  @Override
  public <T> Map<String, Object> offset(Map<String, T> partition) {
    long lsn = commitLsn;
    return Map.of("lsn", lsn, "lsn_commit", lsn);
  }

  @Override
  public <T> Map<Map<String, T>, Map<String, Object>> offsets(
      Collection<Map<String, T>> partitions) {
    Map<Map<String, T>, Map<String, Object>> offsets = new HashMap<>();
    for (Map<String, T> partition : partitions) {
      offsets.put(partition, offset(partition));
    }
    return offsets;
  }
}
