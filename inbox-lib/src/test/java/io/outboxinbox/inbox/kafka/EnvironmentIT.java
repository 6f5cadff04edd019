package io.outboxinbox.inbox.kafka;

import static io.outboxinbox.inbox.kafka.ConsumerRig.eventually;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerInterceptor;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What goes wrong around a message is not the message's fault, and is not taken for health. */
class EnvironmentIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private static final Duration LIMIT = Duration.ofSeconds(90);

  /** Of {@link ConsumerRig#builder}. */
  private static final int ATTEMPTS_MAX = 3;

  private ConsumerRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = ConsumerRig.of(postgres, kafka.bootstrapServers(), kafka.newTopic("o", 1));
  }

  @AfterEach
  void tearDown() {
    rig.close();
  }

  static Stream<Arguments> faults() {
    return Stream.of(
        // As a driver meets behind a pooler in transaction mode.
        mend("EXECUTE \"S_1000\"", "prepareThreshold=0"),
        mend(
            "PREPARE \"S_1000\" AS SELECT 1; PREPARE \"S_1000\" AS SELECT 1", "prepareThreshold=0"),
        mend("SET TRANSACTION READ ONLY", "connect to the primary"),
        mend("SET LOCAL ROLE pg_monitor", "permission denied"),
        mend("SELECT * FROM not_migrated_yet", "not_migrated_yet"),
        mend("SELECT not_migrated_yet FROM effect", "not_migrated_yet"),
        mend("SELECT not_migrated_yet()", "not_migrated_yet"),
        mend("CREATE TABLE not_migrated_yet.x ()", "not_migrated_yet"),
        mend(raise("28000"), "raised"),
        mend(raise("3D000"), "raised"),
        mend(raise("XX001"), "raised"),
        later(raise("53100")),
        later(raise("53300")),
        later(raise("58030")),
        later(raise("57P03")),
        again("SET LOCAL statement_timeout = 1; SELECT pg_sleep(60)"),
        again(raise("55P03")),
        // Limits that a healthy message meets on a busy server.
        again(raise("25P03")),
        again(raise("25P04")),
        again(raise("53400")),
        again(raise("XX000")));
  }

  private static String raise(String state) {
    return "DO $$ BEGIN RAISE EXCEPTION 'raised' USING ERRCODE = '" + state + "'; END $$";
  }

  private static Arguments mend(String fault, String reason) {
    return arguments(fault, ConsumerState.MISCONFIGURED, reason);
  }

  private static Arguments later(String fault) {
    return arguments(fault, ConsumerState.WAITING_FOR_DATABASE, "raised");
  }

  /** Soon over, as a rule, so nobody is told. */
  private static Arguments again(String fault) {
    return arguments(fault, ConsumerState.RUNNING, "");
  }

  @ParameterizedTest
  @MethodSource("faults")
  void keepsAHealthyMessageThroughWhatTheDatabaseIsToBlameFor(
      String fault, ConsumerState state, String reason) throws Exception {
    AtomicBoolean isBroken = new AtomicBoolean();
    AtomicInteger failures = new AtomicInteger();
    HikariConfig config = new HikariConfig();
    rig.dataSource().copyStateTo(config);
    config.setMaximumPoolSize(1);
    config.setConnectionTimeout(30_000);
    try (HikariDataSource dataSource = new HikariDataSource(config)) {
      InboxConsumer consumer =
          rig.builder()
              .dataSource(dataSource)
              .threads(1)
              .handler(
                  (connection, message) -> {
                    if (isBroken.get()) {
                      failures.incrementAndGet();
                      try (var statement = connection.createStatement()) {
                        statement.execute(fault);
                      }
                    }
                    ConsumerRig.addEffect(connection, message);
                  })
              .build();
      try (consumer) {
        consumer.start();
        rig.send("a", ConsumerRig.newId(), "before");
        eventually().atMost(LIMIT).until(() -> rig.effects() == 1);
        isBroken.set(true);
        rig.send("a", ConsumerRig.newId(), "healthy");
        eventually()
            .atMost(LIMIT)
            .until(() -> failures.get() > ATTEMPTS_MAX || !rig.deadLetters().isEmpty());
        assertThat(rig.deadLetters()).isEmpty();
        assertThat(consumer.state()).isEqualTo(state);
        assertThat(consumer.reason()).contains(reason);
        if (state != ConsumerState.RUNNING) {
          assertThat(consumer.reason()).contains(rig.topic() + "-0@1");
        }
        isBroken.set(false);
        eventually().atMost(LIMIT).until(() -> rig.effects() == 2);
        eventually().atMost(LIMIT).until(() -> consumer.state() == ConsumerState.RUNNING);
        assertThat(rig.textsOf("a")).containsExactly("before", "healthy");
        assertThat(rig.deadLetters()).isEmpty();
      }
    }
  }

  /** Connections that take long to roll back, until they are cut off. */
  private static <T> T slowToRollBack(Class<T> type, T real) {
    return type.cast(
        Proxy.newProxyInstance(
            EnvironmentIT.class.getClassLoader(),
            new Class<?>[] {type},
            (proxy, method, arguments) -> {
              try {
                if (method.getName().equals("rollback")) {
                  Thread.sleep(LIMIT.toMillis());
                }
                Object made = method.invoke(real, arguments);
                return method.getName().equals("getConnection")
                    ? slowToRollBack(Connection.class, (Connection) made)
                    : made;
              } catch (InterruptedException e) {
                throw new SQLException(e);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            }));
  }

  /**
   * No handler has run, so no message can be to blame, however often it is the same, and however
   * long it takes to roll back.
   */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void countsNothingAgainstAMessageWhileTheInboxCannotBeAsked(boolean isSlow) throws Exception {
    rig.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = 20',"
            + " current_database()); END $$");
    rig.dataSource().getHikariPoolMXBean().softEvictConnections();
    AtomicInteger failures = new AtomicInteger();
    InboxConsumer consumer;
    try (Connection other = rig.dataSource().getConnection();
        var statement = other.createStatement()) {
      other.setAutoCommit(false);
      statement.execute("LOCK TABLE inbox_message IN ACCESS EXCLUSIVE MODE");
      rig.send("a", ConsumerRig.newId(), "healthy");
      consumer =
          rig.start(
              rig.builder()
                  .dataSource(
                      isSlow
                          ? slowToRollBack(DataSource.class, rig.dataSource())
                          : rig.dataSource())
                  .stepLimits(new StepWatch.Limits(Duration.ofMinutes(5), Duration.ofMillis(50)))
                  .listener(
                      new ConsumerListener() {
                        @Override
                        public void retried(
                            String topic, int partition, int attempt, Throwable failure) {
                          failures.incrementAndGet();
                        }
                      }));
      eventually()
          .atMost(LIMIT)
          .until(
              () ->
                  consumer.state() == ConsumerState.WAITING_FOR_DATABASE
                      || failures.get() > 3 * 21);
      assertThat(consumer.state()).isEqualTo(ConsumerState.WAITING_FOR_DATABASE);
      assertThat(consumer.reason()).contains(rig.topic() + "-0@0", "lock timeout");
      other.rollback();
    }
    eventually().atMost(LIMIT).until(() -> rig.effects() == 1);
    eventually().atMost(LIMIT).until(() -> consumer.state() == ConsumerState.RUNNING);
    assertThat(rig.deadLetters()).isEmpty();
  }

  /** Nothing has failed yet, and perhaps nothing will. */
  @Test
  void tellsOfATransactionThatTakesLongAndHowFarItIs() throws Exception {
    CountDownLatch goOn = new CountDownLatch(1);
    InboxConsumer consumer =
        rig.start(
            rig.builder()
                .stepLimits(new StepWatch.Limits(Duration.ofMillis(500), Duration.ofMinutes(5)))
                .handler(
                    (connection, message) -> {
                      goOn.await();
                      ConsumerRig.addEffect(connection, message);
                    }));
    rig.send("a", ConsumerRig.newId(), "slow");
    eventually().atMost(LIMIT).until(() -> consumer.state() == ConsumerState.SLOW);
    assertThat(consumer.reason()).contains(rig.topic() + "-0@0: is with the handler", "-worker-");
    goOn.countDown();
    eventually().atMost(LIMIT).until(() -> rig.effects() == 1);
    eventually().atMost(LIMIT).until(() -> consumer.state() == ConsumerState.RUNNING);
    assertThat(rig.deadLetters()).isEmpty();
  }

  @Test
  void keepsMessagesThroughAClassThatIsMissing() throws Exception {
    AtomicBoolean isBroken = new AtomicBoolean(true);
    AtomicInteger failures = new AtomicInteger();
    InboxConsumer consumer =
        rig.start(
            rig.builder()
                .handler(
                    (connection, message) -> {
                      if (isBroken.get()) {
                        failures.incrementAndGet();
                        throw new NoClassDefFoundError("com/example/Missing");
                      }
                      ConsumerRig.addEffect(connection, message);
                    }));
    rig.send("a", ConsumerRig.newId(), "healthy");
    eventually().atMost(LIMIT).until(() -> failures.get() > ATTEMPTS_MAX);
    eventually().atMost(LIMIT).until(() -> consumer.state() == ConsumerState.MISCONFIGURED);
    assertThat(consumer.reason()).contains("com/example/Missing");
    isBroken.set(false);
    eventually().atMost(LIMIT).until(() -> rig.effects() == 1);
    assertThat(rig.deadLetters()).isEmpty();
  }

  /** Kafka lets through what it throws, on the poll thread and with each message. */
  public static final class Faulty implements ConsumerInterceptor<byte[], byte[]> {
    static final AtomicBoolean isBroken = new AtomicBoolean();
    static final AtomicInteger failures = new AtomicInteger();

    @Override
    public ConsumerRecords<byte[], byte[]> onConsume(ConsumerRecords<byte[], byte[]> records) {
      if (isBroken.get() && !records.isEmpty()) {
        failures.incrementAndGet();
        throw new NoSuchMethodError("on purpose");
      }
      return records;
    }

    @Override
    public void onCommit(Map<TopicPartition, OffsetAndMetadata> offsets) {}

    @Override
    public void close() {}

    @Override
    public void configure(Map<String, ?> configs) {}
  }

  @Test
  void doesNotCallItselfRunningWhileAnErrorMeetsEachMessage() throws Exception {
    List<ConsumerState> states = new CopyOnWriteArrayList<>();
    Faulty.isBroken.set(true);
    Faulty.failures.set(0);
    rig.send("a", ConsumerRig.newId(), "healthy");
    rig.flush();
    InboxConsumer consumer =
        rig.start(
            rig.builder()
                .kafka(
                    rig.kafka(
                        Map.of(ConsumerConfig.INTERCEPTOR_CLASSES_CONFIG, Faulty.class.getName())))
                .listener(
                    new ConsumerListener() {
                      @Override
                      public void stateChanged(
                          ConsumerState from, ConsumerState to, String reason) {
                        states.add(to);
                      }
                    }));
    eventually().atMost(LIMIT).until(() -> Faulty.failures.get() >= 4);
    assertThat(states).containsExactly(ConsumerState.RUNNING, ConsumerState.MISCONFIGURED);
    assertThat(consumer.reason()).contains("NoSuchMethodError: on purpose");
    Faulty.isBroken.set(false);
    eventually().atMost(LIMIT).until(() -> rig.effects() == 1);
    eventually().atMost(LIMIT).until(() -> consumer.state() == ConsumerState.RUNNING);
  }

  @Test
  void goesOnWhateverAListenerThrows() throws Exception {
    InboxConsumer consumer =
        rig.start(
            rig.builder()
                .listener(
                    new ConsumerListener() {
                      @Override
                      public void handled(String topic, int messages, Duration time) {
                        throw new NoSuchMethodError("on purpose");
                      }

                      @Override
                      public void rebalanced(int assigned, int revoked, int lost) {
                        throw new NoSuchMethodError("on purpose");
                      }
                    }));
    rig.send("a", ConsumerRig.newId(), "1");
    eventually().atMost(LIMIT).until(() -> rig.effects() == 1);
    assertThat(consumer.state()).isEqualTo(ConsumerState.RUNNING);
    assertThat(consumer.lastFailure()).isEmpty();
  }
}
