package io.outboxinbox.inbox.kafka;

import static io.outboxinbox.inbox.kafka.ConsumerRig.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A transaction for each message, where one begins in the round trip that commits the other. */
class OneByOneIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private PostgresDatabase database;
  private ConsumerRig rig;

  @BeforeEach
  void setUp() throws Exception {
    database = postgres.newDatabase();
    rig = ConsumerRig.of(database, kafka.bootstrapServers(), kafka.newTopic("row", 1));
  }

  @AfterEach
  void tearDown() {
    rig.close();
  }

  private InboxConsumerBuilder oneByOne() {
    return rig.builder().threads(1).batchMax(1);
  }

  /** The rig's pool, and how often it was asked. */
  private DataSource counted(AtomicInteger borrowed) {
    return (DataSource)
        Proxy.newProxyInstance(
            OneByOneIT.class.getClassLoader(),
            new Class<?>[] {DataSource.class},
            (proxy, method, arguments) -> {
              borrowed.incrementAndGet();
              try {
                return method.invoke(rig.dataSource(), arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private long transactionsOpen() throws SQLException {
    return rig.number(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            + " AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'");
  }

  @Test
  void usesAConnectionForManyMessagesAndHoldsNoneWhileItWaits() throws Exception {
    rig.sendMany(2_000, 7);
    AtomicInteger borrowed = new AtomicInteger();
    AtomicInteger told = new AtomicInteger();
    long start = System.nanoTime();
    rig.start(
        oneByOne()
            .dataSource(counted(borrowed))
            .listener(
                new ConsumerListener() {
                  @Override
                  public void handled(String topic, int messages, Duration time) {
                    told.addAndGet(messages);
                  }
                }));
    eventually().until(() -> rig.effects() == 2_000);
    eventually().until(() -> rig.committedOffset(0) == 2_000);
    assertThat(transactionsOpen()).isZero();
    // A row ends where no message is at hand, or after 50 ms, which a busy machine fills sooner.
    long rowsByTime = Duration.ofNanos(System.nanoTime() - start).toMillis() / 50;
    assertThat(borrowed.get()).isLessThan(1_000 + Math.toIntExact(rowsByTime));
    assertThat(told).hasValue(2_000);
    for (int key = 0; key < 7; key++) {
      assertThat(rig.textsOf("k" + key).stream().map(Integer::valueOf)).isSorted();
    }
  }

  /** The message behind the one at work is admitted with its commit, and then not run. */
  @Test
  void leavesTheNextMessageToWhoeverComesAfterTheClose() throws Exception {
    List<String> ids = rig.sendMany(10, 1);
    CountDownLatch isAtWork = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    InboxConsumer consumer =
        rig.start(
            oneByOne()
                .handler(
                    (connection, message) -> {
                      if (message.text().equals("4")) {
                        isAtWork.countDown();
                        goOn.await(90, TimeUnit.SECONDS);
                      }
                      ConsumerRig.addEffect(connection, message);
                    }));
    assertThat(isAtWork.await(120, TimeUnit.SECONDS)).isTrue();
    CompletableFuture<Void> close = CompletableFuture.runAsync(consumer::close);
    // Closing has taken the partition away once it waits for the handler.
    eventually().until(() -> consumerIsClosing());
    goOn.countDown();
    close.get(120, TimeUnit.SECONDS);
    assertThat(rig.textsOf("k0")).containsExactly("0", "1", "2", "3", "4");
    assertThat(rig.number("SELECT count(*) FROM inbox_message")).isEqualTo(5);
    assertThat(transactionsOpen()).isZero();
    assertThat(rig.committedOffset(0)).isEqualTo(5);
    rig.start(oneByOne());
    eventually().until(() -> rig.effects() == ids.size());
    assertThat(rig.textsOf("k0").stream().map(Integer::valueOf)).isSorted();
  }

  private boolean consumerIsClosing() {
    return Thread.getAllStackTraces().entrySet().stream()
        .filter(thread -> thread.getKey().getName().equals("inbox-" + ConsumerRig.NAME + "-poll"))
        .flatMap(thread -> List.of(thread.getValue()).stream())
        .anyMatch(frame -> frame.getMethodName().equals("awaitIdle"));
  }

  /**
   * The message that cannot be admitted fails alone; the one before it is committed, and is not run
   * again, nor stopped at.
   */
  @Test
  void doesNotBlameTheMessageBeforeForWhatTheNextOneMeets() throws Exception {
    rig.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = ''100ms''',"
            + " current_database()); END $$");
    // Those that are open already have the old setting.
    rig.dataSource().getHikariPoolMXBean().softEvictConnections();
    String blocked = ConsumerRig.newId();
    List<String> calls = new CopyOnWriteArrayList<>();
    try (Connection other = database.connect()) {
      other.setAutoCommit(false);
      Inbox.named(ConsumerRig.NAME).build().admit(other, MessageId.of(blocked));
      rig.send("a", ConsumerRig.newId(), "1");
      rig.send("a", ConsumerRig.newId(), "2");
      rig.send("a", blocked, "3");
      rig.send("a", ConsumerRig.newId(), "4");
      rig.flush();
      AtomicInteger refused = new AtomicInteger();
      InboxConsumer consumer =
          rig.start(
              oneByOne()
                  .retry(new RetryPolicy(1, Duration.ofMillis(1), Duration.ofMillis(1), 0))
                  .onFailure(FailurePolicy.STOP)
                  .listener(
                      new ConsumerListener() {
                        @Override
                        public void retried(
                            String topic, int partition, int attempt, Throwable failure) {
                          refused.incrementAndGet();
                        }
                      })
                  .handler(
                      (connection, message) -> {
                        calls.add(message.text());
                        ConsumerRig.addEffect(connection, message);
                      }));
      eventually().until(() -> refused.get() > 0);
      other.rollback();
      eventually().until(() -> rig.effects() == 4);
      assertThat(consumer.state()).isEqualTo(ConsumerState.RUNNING);
    }
    assertThat(calls).containsExactly("1", "2", "3", "4");
    assertThat(rig.textsOf("a")).containsExactly("1", "2", "3", "4");
  }

  @Test
  void passesOnNothingThatAHandlerHasSetOnItsConnection() throws Exception {
    IntStream.range(0, 20).forEach(i -> rig.send("a", ConsumerRig.newId(), Integer.toString(i)));
    rig.flush();
    List<Integer> timeouts = new CopyOnWriteArrayList<>();
    rig.start(
        oneByOne()
            .handler(
                (connection, message) -> {
                  timeouts.add(connection.getNetworkTimeout());
                  ConsumerRig.addEffect(connection, message);
                  if (message.text().endsWith("5")) {
                    // The pool takes it back when it gets the connection back.
                    connection.setNetworkTimeout(Runnable::run, 12_345);
                  }
                }));
    eventually().until(() -> rig.effects() == 20);
    assertThat(timeouts).hasSize(20).containsOnly(0);
  }

  @Test
  void losesAndRepeatsNothingWhereConnectionsAreCut() throws Exception {
    int count = 3_000;
    rig.sendMany(count, 10);
    long cut = 0;
    rig.start(rig.builder().threads(2).batchMax(1).kafka(rig.kafka(Map.of())));
    while (rig.effects() < count && cut < 60) {
      cut +=
          rig.number(
              "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                  + " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                  + " AND xact_start IS NOT NULL AND query LIKE ANY"
                  + " (ARRAY['COMMIT%', 'BEGIN%', 'INSERT%'])");
    }
    eventually().until(() -> rig.number("SELECT count(DISTINCT id) FROM effect") == count);
    assertThat(cut).isPositive();
    assertThat(rig.effects()).isEqualTo(count);
    assertThat(rig.number("SELECT count(*) FROM inbox_message")).isEqualTo(count);
    assertThat(rig.deadLetters()).isEmpty();
    for (int key = 0; key < 10; key++) {
      assertThat(rig.textsOf("k" + key).stream().map(Integer::valueOf)).isSorted();
    }
  }

  /** It fails each time, and no database is away. */
  @Test
  void aHandlerThatKeepsAStatementInAFieldHasFailed() throws Exception {
    rig.sendMany(5, 5);
    AtomicReference<PreparedStatement> kept = new AtomicReference<>();
    rig.start(
        rig.builder()
            .threads(1)
            .batchMax(1)
            .handler(
                (connection, message) -> {
                  if (kept.get() == null) {
                    kept.set(connection.prepareStatement("INSERT INTO effect (id) VALUES (?)"));
                  }
                  kept.get().setString(1, message.id().text());
                  kept.get().executeUpdate();
                }));
    eventually().until(() -> rig.committedOffset(0) == 5);
    assertThat(rig.effects()).isEqualTo(1);
    assertThat(rig.deadLetters())
        .hasSize(4)
        .allSatisfy(letter -> assertThat(letter.failure().detail()).contains("has returned"));
  }
}
