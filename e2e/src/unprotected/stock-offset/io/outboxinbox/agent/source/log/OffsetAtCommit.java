package io.outboxinbox.agent.source.log;

import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.connect.storage.OffsetStorageReader;

/**
 * The agent's class without its protection: the offset names a last processed LSN, as Debezium's
 * own does, and so switches its search for the resume point on. Only for the proof that the ledger
 * finds what that search loses.
 */
final class OffsetAtCommit implements OffsetStorageReader {
  private volatile long commitLsn;

  OffsetAtCommit(long commitLsn) {
    this.commitLsn = commitLsn;
    System.out.println("UNPROTECTED: resuming with Debezium's own offset");
  }

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
    return Map.of("lsn", lsn, "lsn_proc", lsn, "lsn_commit", lsn);
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
