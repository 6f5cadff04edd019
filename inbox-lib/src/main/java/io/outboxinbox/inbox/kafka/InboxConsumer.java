package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.InboxRetention;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs a handler on the messages of Kafka topics, so that its database effects happen once.
 *
 * <p>Each transaction holds the ids of its messages and their effects; the offset is committed to
 * the broker afterwards. Messages of one key are handled in their order, one after the other, also
 * when one of them has to be tried again. What the handler cannot do becomes a dead letter, and
 * nothing is passed over otherwise.
 *
 * <pre>{@code
 * InboxConsumer consumer = InboxConsumer.builder()
 *     .inbox(Inbox.named("inventory").build())
 *     .dataSource(dataSource)
 *     .kafka(Map.of("bootstrap.servers", "localhost:9092", "group.id", "inventory"))
 *     .topics("orders")
 *     .handler((connection, message) -> reserve(connection, message.text()))
 *     .build();
 * consumer.start();
 * }</pre>
 *
 * <p><strong>Effects happen once only if the handler writes them on the connection it is
 * given.</strong> What it writes on any other, with Spring's {@code @Transactional} or {@code
 * JdbcTemplate} on their own data source for example, is committed apart: it stays when the message
 * fails, and is there again after each attempt. With Spring, write with {@code new JdbcTemplate(new
 * SingleConnectionDataSource(connection, true))}. A handler that never uses its connection is told
 * of in {@link #findings}.
 *
 * <p>Any thread may call it. Who starts it closes it. The data source is the caller's; it needs a
 * connection for each thread.
 */
public final class InboxConsumer implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(InboxConsumer.class);

  private final Settings settings;
  private final Troubles troubles;
  private final Workers workers;
  private final Broker broker;
  private final RetentionCheck retentionCheck;
  private final ConnectionUse connectionUse;
  private final PollLoop loop;
  private @Nullable Thread thread;
  private boolean isClosed;

  /** What was made by start, for the first run of the loop. */
  private @Nullable Consumer<byte[], byte[]> first;

  InboxConsumer(Settings settings) {
    this.settings = settings;
    String name = settings.inbox().consumer();
    this.troubles = new Troubles(name, settings.listener());
    this.workers = new Workers(name, settings.threads(), troubles);
    this.connectionUse = new ConnectionUse(name, !settings.effectsElsewhere());
    this.broker = new Broker(this::newAdmin);
    this.retentionCheck = new RetentionCheck(remembered(settings), broker);
    HeldKeys heldKeys = new HeldKeys(settings.deadLetters());
    StepWatch stepWatch = new StepWatch(settings, troubles);
    LaneContext context =
        new LaneContext(
            settings,
            new Arrivals(settings.messageId()),
            new MessageTransaction(settings, heldKeys, connectionUse, stepWatch),
            new TopicIds(broker),
            workers,
            stepWatch,
            troubles);
    this.loop = new PollLoop(context, heldKeys, retentionCheck, this::nextKafkaConsumer);
  }

  /** Begins a consumer with the defaults. */
  public static InboxConsumerBuilder builder() {
    return new InboxConsumerBuilder();
  }

  /**
   * Begins to consume, and returns without waiting for broker or database: both may be away.
   *
   * @throws org.apache.kafka.common.KafkaException the properties make no Kafka consumer
   * @throws IllegalStateException it was started or closed before
   */
  public synchronized void start() {
    if (thread != null || isClosed) {
      throw new IllegalStateException(
          "consumer "
              + settings.inbox().consumer()
              + " was "
              + (isClosed ? "closed" : "started")
              + " before; build another one");
    }
    first = newKafkaConsumer();
    retentionCheck.look(settings.topics());
    workers.runAfter(Duration.ZERO, new DeadLetterCount(settings, workers));
    Thread started = new Thread(loop, "inbox-" + settings.inbox().consumer() + "-poll");
    thread = started;
    troubles.begin(ConsumerState.RUNNING);
    started.start();
  }

  /** How it is; changes are told to {@link ConsumerListener#stateChanged} too. */
  public ConsumerState state() {
    return troubles.state();
  }

  /** Why it is not running; empty while all is well. */
  public String reason() {
    return troubles.reason();
  }

  /** What was last thrown by handler, database or broker, however long ago. */
  public Optional<Throwable> lastFailure() {
    return troubles.lastFailure();
  }

  /**
   * What is amiss and not told by the state, one line each: a handler that never uses the
   * connection it is given; and, if the builder was told how long the inbox remembers, what does
   * not fit between topics and inbox, complete some moments after the start.
   */
  public List<String> findings() {
    List<String> findings = new ArrayList<>(retentionCheck.findings());
    findings.addAll(connectionUse.findings());
    return List.copyOf(findings);
  }

  /**
   * Ends: begins no transaction any more, waits for those that run, commits offsets, leaves the
   * group. Returns after the builder's {@code closeWithin} at the latest; a handler that is still
   * at it then is interrupted, and its transaction does no harm however it ends. May be called
   * twice, and before start; not by a handler.
   */
  @Override
  public void close() {
    Thread running;
    synchronized (this) {
      running = thread;
      isClosed = true;
    }
    long deadline = System.nanoTime() + settings.closeWithin().toNanos();
    if (running != null) {
      loop.close(deadline);
      join(running, deadline);
    }
    boolean isIdle = workers.close(Duration.ofNanos(deadline - System.nanoTime()));
    broker.close();
    if (!isIdle || (running != null && running.isAlive())) {
      log.warn(
          "consumer {} was closed after {} with work still running; it will come again",
          settings.inbox().consumer(),
          settings.closeWithin());
    }
    troubles.begin(ConsumerState.CLOSED);
  }

  private static @Nullable InboxRetention remembered(Settings settings) {
    Duration remembers = settings.remembers();
    return remembers == null ? null : InboxRetention.of(settings.inbox(), remembers);
  }

  private static void join(Thread running, long deadline) {
    try {
      // Kafka's own close may take a moment longer than it was told.
      long nanos = deadline - System.nanoTime() + TimeUnit.SECONDS.toNanos(1);
      running.join(Math.max(1, TimeUnit.NANOSECONDS.toMillis(nanos)));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private synchronized Consumer<byte[], byte[]> nextKafkaConsumer() {
    Consumer<byte[], byte[]> made = first;
    first = null;
    return made == null ? newKafkaConsumer() : made;
  }

  private Admin newAdmin() {
    return Admin.create(KafkaProperties.ofAdmin(settings.kafka()));
  }

  private Consumer<byte[], byte[]> newKafkaConsumer() {
    return new KafkaConsumer<>(settings.kafka());
  }
}
