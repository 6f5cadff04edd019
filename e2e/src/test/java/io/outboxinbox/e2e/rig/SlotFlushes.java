package io.outboxinbox.e2e.rig;

import io.outboxinbox.testkit.TcpProxy;
import java.nio.ByteBuffer;

/**
 * Finds the messages with which a client of a replication stream lets the server forget log, when
 * they say more than the last one (PostgreSQL docs, standby status update). One per connection.
 */
public final class SlotFlushes implements TcpProxy.Watcher {
  /** CopyData with its length, 'r', and three positions: written, flushed, applied. */
  private static final int BYTES = 1 + 4 + 1 + 3 * Long.BYTES;

  private static final int FLUSHED_AT = 1 + 4 + 1 + Long.BYTES;

  private final Runnable action;
  private long flushed = -1;

  /** Runs the action before such a message is forwarded. */
  public SlotFlushes(Runnable action) {
    this.action = action;
  }

  @Override
  public void sees(byte[] bytes, int length) {
    // The driver sends each at once, so it begins where a chunk does.
    if (length < BYTES || bytes[0] != 'd' || bytes[5] != 'r') {
      return;
    }
    long position = ByteBuffer.wrap(bytes, FLUSHED_AT, Long.BYTES).getLong();
    boolean isFirst = flushed < 0;
    if (Long.compareUnsigned(position, flushed) > 0 || isFirst) {
      flushed = position;
      if (!isFirst) {
        action.run();
      }
    }
  }
}
