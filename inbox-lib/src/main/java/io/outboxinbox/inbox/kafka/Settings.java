package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.BatchHandler;
import io.outboxinbox.inbox.DeadLetterGrowth;
import io.outboxinbox.inbox.DeadLetters;
import io.outboxinbox.inbox.Envelope;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.InboxMode;
import io.outboxinbox.inbox.MessageId;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Pattern;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * What a consumer was built with, checked.
 *
 * @param topics empty where a pattern is used
 * @param remembers how long the inbox remembers; null if the builder was not told
 */
record Settings(
    Inbox inbox,
    DataSource dataSource,
    Map<String, Object> kafka,
    List<String> topics,
    @Nullable Pattern topicPattern,
    BatchHandler handler,
    DeadLetters deadLetters,
    @Nullable DeadLetterGrowth growth,
    Function<Envelope, MessageId> messageId,
    ConsumerListener listener,
    RetryPolicy retry,
    FailurePolicy onFailure,
    int batchMax,
    int threads,
    int bufferMax,
    boolean offsetsInDatabase,
    boolean effectsElsewhere,
    Duration closeWithin,
    @Nullable Duration remembers,
    StepWatch.Limits stepLimits) {

  boolean isHoldingKeys() {
    return onFailure == FailurePolicy.HOLD_KEY;
  }

  /** A mark says "everything up to here", so its partition must be handled in its order. */
  int lanesPerPartition() {
    return inbox.mode() == InboxMode.IDS ? threads : 1;
  }

  /** Whether something has to be read from the database before a partition's first message. */
  boolean mustPrepare() {
    return offsetsInDatabase || isHoldingKeys();
  }
}
