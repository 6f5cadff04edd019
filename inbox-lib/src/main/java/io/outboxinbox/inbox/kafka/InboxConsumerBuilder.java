package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.BatchHandler;
import io.outboxinbox.inbox.DeadLetterGrowth;
import io.outboxinbox.inbox.DeadLetters;
import io.outboxinbox.inbox.Envelope;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.InboxException;
import io.outboxinbox.inbox.MessageHandler;
import io.outboxinbox.inbox.MessageId;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Pattern;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** Settings of an {@link InboxConsumer}. Inbox, data source, Kafka, topics, handler are needed. */
public final class InboxConsumerBuilder {
  /** As long as an orchestrator usually waits before it kills. */
  private static final Duration CLOSE_WITHIN = Duration.ofSeconds(30);

  /** Guesses: batches amortise the commit well before they grow long. */
  private static final int BATCH_MAX = 100;

  private static final int THREADS = 4;
  private static final int BUFFER_MAX = 2_000;
  private static final int LIMIT = 100_000;
  private static final int THREADS_MAX = 1_000;

  private @Nullable Inbox inbox;
  private @Nullable DataSource dataSource;
  private Map<String, ?> kafka = Map.of();
  private List<String> topics = List.of();
  private @Nullable Pattern topicPattern;
  private @Nullable MessageHandler handler;
  private @Nullable BatchHandler batchHandler;
  private Function<Envelope, MessageId> messageId = Arrivals::idOfHeaders;
  private ConsumerListener listener = ConsumerListener.none();
  private RetryPolicy retry = RetryPolicy.defaults();
  private FailurePolicy onFailure = FailurePolicy.HOLD_KEY;
  private int batchMax = BATCH_MAX;
  private int threads = THREADS;
  private int bufferMax = BUFFER_MAX;
  private boolean offsetsInDatabase;
  private boolean effectsElsewhere;
  private Duration closeWithin = CLOSE_WITHIN;
  private @Nullable Duration remembers;
  private @Nullable DeadLetterGrowth growth;
  private StepWatch.Limits stepLimits = StepWatch.Limits.defaults();

  InboxConsumerBuilder() {}

  /** Which messages are new. Several consumers of one process may share it. */
  public InboxConsumerBuilder inbox(Inbox newInbox) {
    this.inbox = newInbox;
    return this;
  }

  /** Where inbox and effects are; it should have a connection for each thread. */
  public InboxConsumerBuilder dataSource(DataSource newDataSource) {
    this.dataSource = newDataSource;
    return this;
  }

  /**
   * Properties of the Kafka consumer, with bootstrap.servers and group.id at least. Those the
   * promise rests on cannot be set. auto.offset.reset is earliest unless set.
   */
  public InboxConsumerBuilder kafka(Map<String, ?> properties) {
    this.kafka = Map.copyOf(properties);
    return this;
  }

  public InboxConsumerBuilder topics(String... names) {
    this.topics = List.of(names);
    return this;
  }

  /** All topics whose name matches, also those that are made later. */
  public InboxConsumerBuilder topics(Pattern pattern) {
    this.topicPattern = pattern;
    return this;
  }

  /**
   * What is done with each new message. <strong>Its effects happen once only if they are written on
   * the connection it is given.</strong> Spring's {@code @Transactional} and {@code JdbcTemplate},
   * Hibernate's and jOOQ's own data sources take another one: there each attempt leaves its
   * effects.
   */
  public InboxConsumerBuilder handler(MessageHandler newHandler) {
    this.handler = newHandler;
    return this;
  }

  /** What is done with several new messages in one transaction, instead of a handler. */
  public InboxConsumerBuilder batchHandler(BatchHandler newHandler) {
    this.batchHandler = newHandler;
    return this;
  }

  /** How many messages share a transaction at most; 1 for a transaction each. */
  public InboxConsumerBuilder batchMax(int messages) {
    this.batchMax = messages;
    return this;
  }

  /**
   * How many transactions run at the same time at most. With inbox mode IDS and more than one,
   * messages of different keys of a partition run side by side; with 1, and in the other modes, a
   * partition is handled strictly in its order.
   */
  public InboxConsumerBuilder threads(int number) {
    this.threads = number;
    return this;
  }

  /** How many messages of a partition wait in memory before it is paused. */
  public InboxConsumerBuilder bufferMax(int messages) {
    this.bufferMax = messages;
    return this;
  }

  public InboxConsumerBuilder retry(RetryPolicy policy) {
    this.retry = policy;
    return this;
  }

  /** What happens after the last attempt. */
  public InboxConsumerBuilder onFailure(FailurePolicy policy) {
    this.onFailure = policy;
    return this;
  }

  /**
   * Keeps the offsets in table {@code inbox_offset} too, in the transaction of the effects, and
   * begins there: a database restored from a backup then gets again what it has lost. A topic that
   * was deleted and made anew is known by its id and read from its beginning; that takes the right
   * to describe it, which whoever may read a topic has.
   */
  public InboxConsumerBuilder offsetsInDatabase(boolean wanted) {
    this.offsetsInDatabase = wanted;
    return this;
  }

  /**
   * Says that the handler may well write nothing on the connection it is given. Otherwise one that
   * never does is told of by a warning and in {@link InboxConsumer#findings}: its effects are not
   * in the transaction of the message's id, and each attempt repeats them.
   */
  public InboxConsumerBuilder effectsElsewhere(boolean expected) {
    this.effectsElsewhere = expected;
    return this;
  }

  /**
   * Where a message's id is. Header {@code ce_id}, or else {@code id}, unless set; one that is no
   * UUID counts within its source, which is header {@code ce_sourceid}, {@code outbox_source} or
   * {@code ce_source}, or else the topic. The first two change when the agent's database moves to
   * another cluster; a reader can take the new one for the old.
   *
   * @param reader throws if there is none, as {@link MessageId#of(String)} does: the message
   *     becomes a dead letter. Its ids are taken as they are: where two topics or sources may have
   *     the same, {@link MessageId#of(String, String)} keeps them apart
   */
  public InboxConsumerBuilder messageId(Function<Envelope, MessageId> reader) {
    this.messageId = reader;
    return this;
  }

  public InboxConsumerBuilder listener(ConsumerListener newListener) {
    this.listener = newListener;
    return this;
  }

  /** Is told the number of dead letters every few seconds, and calls its listener on growth. */
  public InboxConsumerBuilder deadLetterGrowth(DeadLetterGrowth watcher) {
    this.growth = watcher;
    return this;
  }

  /** How long {@link InboxConsumer#close} may take. */
  public InboxConsumerBuilder closeWithin(Duration limit) {
    this.closeWithin = limit;
    return this;
  }

  /**
   * How long the inbox remembers, at least an hour, to be compared with the retention of the topics
   * at the start; see {@link InboxConsumer#findings}.
   */
  public InboxConsumerBuilder remembers(Duration duration) {
    this.remembers = duration;
    return this;
  }

  /** For tests, which have no minutes. */
  InboxConsumerBuilder stepLimits(StepWatch.Limits limits) {
    this.stepLimits = limits;
    return this;
  }

  /**
   * Makes the consumer; nothing is opened before it is started.
   *
   * @throws InboxException.Misconfigured names everything that does not fit
   */
  public InboxConsumer build() {
    List<String> faults = new ArrayList<>();
    Map<String, Object> properties = KafkaProperties.complete(kafka, faults);
    KafkaClient.requireUsable(faults);
    requirePresent(faults);
    requireBetween("batchMax", batchMax, LIMIT, faults);
    requireBetween("threads", threads, THREADS_MAX, faults);
    requireBetween("bufferMax", bufferMax, LIMIT, faults);
    if (closeWithin.isNegative()) {
      faults.add("closeWithin is " + closeWithin + ", less than nothing");
    }
    if (!faults.isEmpty() || inbox == null || dataSource == null) {
      throw new InboxException.Misconfigured(
          "a consumer cannot be built: " + String.join("; ", faults),
          "see InboxConsumer.builder()");
    }
    KafkaProperties.revokeWithin(properties);
    return new InboxConsumer(
        new Settings(
            inbox,
            dataSource,
            properties,
            topics,
            topicPattern,
            effectiveHandler(),
            DeadLetters.of(inbox),
            growth,
            messageId,
            new GuardedListener(listener),
            retry,
            onFailure,
            batchMax,
            threads,
            bufferMax,
            offsetsInDatabase,
            effectsElsewhere,
            closeWithin,
            remembers,
            stepLimits));
  }

  private void requirePresent(List<String> faults) {
    if (inbox == null) {
      faults.add("inbox is missing");
    }
    if (dataSource == null) {
      faults.add("dataSource is missing");
    }
    if (topics.isEmpty() == (topicPattern == null)) {
      faults.add("topics must be given by their names or by a pattern, one of both");
    }
    if ((handler == null) == (batchHandler == null)) {
      faults.add("handler or batchHandler must be given, one of both");
    }
  }

  private BatchHandler effectiveHandler() {
    if (batchHandler != null) {
      return batchHandler;
    }
    MessageHandler single = handler;
    if (single == null) {
      throw new IllegalStateException("checked before");
    }
    return BatchHandler.oneByOne(single);
  }

  private static void requireBetween(String name, int value, int max, List<String> faults) {
    if (value < 1 || value > max) {
      faults.add(name + " is " + value + ", must be 1 to " + max);
    }
  }
}
