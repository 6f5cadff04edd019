package io.outboxinbox.inbox.kafka;

import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Notices a handler that never uses the connection it is given: its effects are in another
 * transaction than the message's id, and come again with each attempt. Any thread.
 *
 * <p>It can only be told, not refused: by then the effect is committed, and an attempt more would
 * repeat it.
 */
final class ConnectionUse {
  private static final Logger log = LoggerFactory.getLogger(InboxConsumer.class);

  /** A guess: handlers pass over types of messages they have no use for. */
  private static final int UNUSED_MAX = 20;

  private final String consumer;
  private final boolean isExpected;
  private boolean isUsed;
  private int unused;
  private String finding = "";

  /**
   * Begins with nothing known.
   *
   * @param isExpected whether the handler is known to use its connection
   */
  ConnectionUse(String consumer, boolean isExpected) {
    this.consumer = consumer;
    this.isExpected = isExpected;
  }

  /**
   * A handler has ended.
   *
   * @param hasUsed whether it has made a statement on its connection
   * @param place of the message, or of the first of a batch
   */
  synchronized void ended(boolean hasUsed, boolean hasFailed, String place) {
    if (hasUsed) {
      isUsed = true;
      finding = "";
    } else if (isExpected && !isUsed) {
      unused++;
      if (finding.isEmpty() && (hasFailed || unused == UNUSED_MAX)) {
        finding =
            "consumer "
                + consumer
                + ": its handler has never used the connection it was given, last with "
                + place
                + (hasFailed ? ", where it failed" : "")
                + "; what it writes on another connection, as Spring's JdbcTemplate and"
                + " @Transactional do, is not in the transaction of the message's id and comes"
                + " again with each attempt; write on the given connection, or build the consumer"
                + " with effectsElsewhere(true) if the handler has nothing to write there";
        log.warn("{}", finding);
      }
    }
  }

  /** One line, or none. */
  synchronized List<String> findings() {
    return finding.isEmpty() ? List.of() : List.of(finding);
  }
}
