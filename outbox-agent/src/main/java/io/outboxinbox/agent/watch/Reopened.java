package io.outboxinbox.agent.watch;

import io.outboxinbox.agent.source.SourceConnections;
import java.sql.Connection;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A connection that is opened when it is needed, again where a failure has closed it. Used by one
 * thread, and closed by any.
 */
final class Reopened implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Reopened.class);

  private final SourceConnections connections;
  private final String purpose;
  private final int answerSeconds;

  private volatile @Nullable Connection connection;
  private volatile boolean isClosed;

  /** One that is not open yet; purpose and seconds as of {@link SourceConnections#open}. */
  Reopened(SourceConnections connections, String purpose, int answerSeconds) {
    this.connections = connections;
    this.purpose = purpose;
    this.answerSeconds = answerSeconds;
  }

  Connection open() throws SQLException {
    Connection open = connection;
    if (open == null) {
      open = connections.open(purpose, answerSeconds);
      connection = open;
      if (isClosed) {
        // The closing thread may have looked before it was there.
        disconnect();
      }
    }
    return open;
  }

  /** The next look is on a new one. */
  void disconnect() {
    Connection open = connection;
    connection = null;
    if (open != null) {
      try {
        open.close();
      } catch (SQLException e) {
        LOG.debug("closing the connection failed", e);
      }
    }
  }

  boolean isClosed() {
    return isClosed;
  }

  /** No later one stays open. */
  @Override
  public void close() {
    isClosed = true;
    disconnect();
  }
}
