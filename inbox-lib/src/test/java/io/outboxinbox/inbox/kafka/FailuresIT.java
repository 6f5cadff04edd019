package io.outboxinbox.inbox.kafka;

import static io.outboxinbox.inbox.kafka.ConsumerRig.eventually;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.outboxinbox.inbox.DeadLetter;
import io.outboxinbox.inbox.DeadLetter.State;
import io.outboxinbox.inbox.DeadLetterFilter;
import io.outboxinbox.inbox.DeadLetterGrowth;
import io.outboxinbox.inbox.DeadLetters;
import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.InboxException;
import io.outboxinbox.inbox.InboxMode;
import io.outboxinbox.inbox.Transactions;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class FailuresIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private ConsumerRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = ConsumerRig.of(postgres, kafka.bootstrapServers(), kafka.newTopic("o", 2));
  }

  @AfterEach
  void tearDown() {
    rig.close();
  }

  /** Where in a handler a failure strikes. */
  enum Step {
    BEFORE_EFFECT,
    AFTER_EFFECT,
    STATEMENT_FAILS,
    STATEMENT_FAILS_AND_IS_SWALLOWED,
    COMMIT_FAILS,
    COMMITS_ITSELF,
    ROLLS_BACK_ITSELF,
    ERROR
  }

  static Stream<Arguments> waysToRun() {
    return Stream.of(Step.values())
        .flatMap(step -> Stream.of(arguments(step, 1, false), arguments(step, 100, true)));
  }

  @ParameterizedTest
  @MethodSource("waysToRun")
  void leavesNoEffectOfAFailedAttemptAndOneOfTheLast(
      Step step, int batchMax, boolean offsetsInDatabase) throws Exception {
    rig.execute(
        "CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);"
            + " INSERT INTO late VALUES (1)");
    AtomicInteger calls = new AtomicInteger();
    rig.start(
        rig.builder()
            .batchMax(batchMax)
            .offsetsInDatabase(offsetsInDatabase)
            .handler(
                (connection, message) -> {
                  boolean fails = message.text().equals("bad") && calls.incrementAndGet() < 3;
                  if (fails && step == Step.BEFORE_EFFECT) {
                    throw new IllegalStateException("on purpose");
                  }
                  ConsumerRig.addEffect(connection, message);
                  if (fails) {
                    strike(step, connection);
                  }
                }));
    rig.send(0, "a", ConsumerRig.newId(), "good");
    rig.send(0, "a", ConsumerRig.newId(), "bad");
    rig.send(0, "a", ConsumerRig.newId(), "good");
    eventually().until(() -> rig.effects() >= 3);
    eventually().until(() -> rig.committedOffset(0) == 3);
    assertThat(rig.textsOf("a")).containsExactly("good", "bad", "good");
    assertThat(rig.deadLetters()).isEmpty();
    assertThat(calls.get()).isGreaterThanOrEqualTo(3);
  }

  private static void strike(Step step, java.sql.Connection connection) throws SQLException {
    try (var statement = connection.createStatement()) {
      switch (step) {
        case AFTER_EFFECT -> throw new IllegalStateException("on purpose");
        case ERROR -> throw new AssertionError("on purpose");
        case STATEMENT_FAILS -> statement.execute("SELECT 1 / 0");
        case STATEMENT_FAILS_AND_IS_SWALLOWED -> {
          try {
            statement.execute("SELECT 1 / 0");
          } catch (SQLException swallowed) {
            return;
          }
        }
        case COMMIT_FAILS -> statement.execute("INSERT INTO late VALUES (1)");
        case COMMITS_ITSELF -> connection.commit();
        case ROLLS_BACK_ITSELF -> connection.rollback();
        case BEFORE_EFFECT -> throw new IllegalStateException("struck before");
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 100})
  void holdsThePoisonedKeyAndLetsOthersFlow(int batchMax) throws Exception {
    AtomicBoolean isMended = new AtomicBoolean();
    AtomicInteger queued = new AtomicInteger();
    rig.start(
        rig.builder()
            .batchMax(batchMax)
            .listener(
                new ConsumerListener() {
                  @Override
                  public void queuedBehind(String topic, int messages) {
                    queued.addAndGet(messages);
                  }
                })
            .handler(
                (connection, message) -> {
                  if (message.text().equals("5") && !isMended.get()) {
                    throw new IllegalStateException("poison");
                  }
                  ConsumerRig.addEffect(connection, message);
                }));
    // Message 5 has key k5, and so have 15, 25, ... 95.
    rig.sendMany(100, 10);
    eventually().until(() -> rig.effects() == 90);
    eventually().until(() -> rig.deadLetters().size() == 10);
    assertThat(rig.textsOf("k5")).isEmpty();
    List<DeadLetter> letters = rig.deadLetters();
    assertThat(letters.get(0).state()).isEqualTo(State.FAILED);
    assertThat(letters.get(0).failure().attempts()).isEqualTo(3);
    assertThat(letters.get(0).failure().detail()).contains("poison");
    assertThat(letters.subList(1, 10)).allMatch(letter -> letter.state() == State.WAITING);
    assertThat(queued).hasValue(9);
    eventually().until(() -> rig.committedOffset(0) + rig.committedOffset(1) == 100);

    isMended.set(true);
    DeadLetters.of(Inbox.named(ConsumerRig.NAME).build())
        .retryAll(
            new Transactions(rig.dataSource()), DeadLetterFilter.all(), ConsumerRig::addEffect);
    rig.send("k5", ConsumerRig.newId(), "100");
    eventually().until(() -> rig.effects() == 101);
    assertThat(rig.textsOf("k5").stream().map(Integer::valueOf)).hasSize(11).isSorted();
    assertThat(rig.deadLetters()).isEmpty();
  }

  @Test
  void tellsThatDeadLettersGrow() throws Exception {
    AtomicInteger grown = new AtomicInteger();
    AtomicBoolean isCounted = new AtomicBoolean();
    rig.start(
        rig.builder()
            .onFailure(FailurePolicy.PASS)
            .listener(
                new ConsumerListener() {
                  @Override
                  public void deadLettersKept(long count) {
                    isCounted.set(true);
                  }
                })
            .deadLetterGrowth(
                new DeadLetterGrowth(
                    5, Duration.ofMinutes(1), (count, grownBy, within) -> grown.set((int) count)))
            .handler(
                (connection, message) -> {
                  throw new InboxException.BadMessage("not for us", "send something else");
                }));
    // The first count is what growth is measured from.
    eventually().until(isCounted::get);
    rig.sendMany(7, 7);
    eventually().until(() -> grown.get() == 7);
  }

  @Test
  void passesOverThePoisonAndGoesOnWithItsKey() throws Exception {
    rig.start(
        rig.builder()
            .onFailure(FailurePolicy.PASS)
            .handler(
                (connection, message) -> {
                  if (message.text().equals("5")) {
                    throw new InboxException.BadMessage("not for us", "send something else");
                  }
                  ConsumerRig.addEffect(connection, message);
                }));
    rig.sendMany(100, 10);
    eventually().until(() -> rig.effects() == 99);
    eventually().until(() -> rig.committedOffset(0) + rig.committedOffset(1) == 100);
    assertThat(rig.deadLetters()).hasSize(1);
    assertThat(rig.textsOf("k5")).hasSize(9);
  }

  @Test
  void stopsThePartitionAndLetsOthersFlow() throws Exception {
    InboxConsumer consumer =
        rig.start(
            rig.builder()
                .onFailure(FailurePolicy.STOP)
                .threads(1)
                .handler(
                    (connection, message) -> {
                      if (message.text().equals("3")) {
                        throw new IllegalStateException("poison");
                      }
                      ConsumerRig.addEffect(connection, message);
                    }));
    for (int i = 0; i < 6; i++) {
      rig.send(0, "a", ConsumerRig.newId(), Integer.toString(i));
      rig.send(1, "b", ConsumerRig.newId(), Integer.toString(i + 10));
    }
    eventually().until(() -> consumer.state() == ConsumerState.STOPPED);
    eventually().until(() -> rig.textsOf("b").size() == 6);
    assertThat(consumer.reason()).contains(rig.topic() + "-0@3", "poison");
    assertThat(rig.textsOf("a")).containsExactly("0", "1", "2");
    eventually().until(() -> rig.committedOffset(0) == 3);
    assertThat(rig.deadLetters()).isEmpty();
    consumer.close();
    rig.start(rig.builder());
    eventually().until(() -> rig.textsOf("a").size() == 6);
  }

  /** The order per key under parallel lanes while handlers fail by chance, each in its own way. */
  @Test
  void keepsTheOrderOfEachKeyUnderRandomFailures() throws Exception {
    long seed = Long.getLong("seed", System.nanoTime());
    System.out.println("keepsTheOrderOfEachKeyUnderRandomFailures: -Dseed=" + seed);
    Random random = new Random(seed);
    Map<String, Integer> running = new ConcurrentHashMap<>();
    List<String> overlaps = new CopyOnWriteArrayList<>();
    rig.start(
        rig.builder()
            .threads(6)
            .batchMax(7)
            .bufferMax(50)
            // A failure in a hundred must not become a dead letter by chance.
            .retry(new RetryPolicy(50, Duration.ofMillis(1), Duration.ofMillis(5), 1))
            .handler(
                (connection, message) -> {
                  String key = new String(message.key(), java.nio.charset.StandardCharsets.UTF_8);
                  if (running.merge(key, 1, Integer::sum) > 1) {
                    overlaps.add(key);
                  }
                  try {
                    ConsumerRig.addEffect(connection, message);
                    int chance;
                    synchronized (random) {
                      chance = random.nextInt(100);
                    }
                    if (chance < 8) {
                      throw new IllegalStateException("by chance");
                    }
                    if (chance < 12) {
                      throw new SQLException("by chance", "40001");
                    }
                  } finally {
                    running.merge(key, -1, Integer::sum);
                  }
                }));
    rig.sendMany(2_000, 40);
    eventually().until(() -> rig.effects() == 2_000);
    for (int key = 0; key < 40; key++) {
      assertThat(rig.textsOf("k" + key).stream().map(Integer::valueOf))
          .as("k" + key)
          .hasSize(50)
          .isSorted();
    }
    assertThat(overlaps).isEmpty();
    assertThat(rig.deadLetters()).isEmpty();
  }

  @Test
  void keepsMessagesWithoutAUsableIdOnceHoweverOftenTheyCome() throws Exception {
    List<ProducerRecord<byte[], byte[]>> bad = new ArrayList<>();
    bad.add(rig.recordOf(0, "none", null, "no id"));
    bad.add(rig.recordOf(0, "empty", "", "empty id"));
    bad.add(rig.recordOf(0, "long", "x".repeat(900_000), "an id of almost 1 MB"));
    bad.add(rig.recordOf(0, null, null, null));
    ProducerRecord<byte[], byte[]> nullId = rig.recordOf(0, "null", null, "null id");
    nullId.headers().add("ce_id", null);
    bad.add(nullId);
    bad.forEach(rig::send);
    // Odd, but usable.
    rig.send(0, "control", "a\u0000b\nc", "0");
    rig.send(0, "control", "a\u0000b\nc", "0");
    rig.send(0, null, ConsumerRig.newId(), null);
    rig.flush();
    InboxConsumer first = rig.start(rig.builder());
    eventually().until(() -> rig.effects() == 2);
    eventually().until(() -> rig.committedOffset(0) == 8);
    assertThat(rig.deadLetters()).hasSize(5).allMatch(letter -> !letter.isAdmitted());
    first.close();
    rig.resetGroup(0, 0);
    rig.start(rig.builder());
    rig.send(0, "new", ConsumerRig.newId(), "1");
    eventually().until(() -> rig.effects() == 3);
    eventually().until(() -> rig.committedOffset(0) == 9);
    assertThat(rig.deadLetters()).hasSize(5);
    assertThat(rig.textsOf("control")).hasSize(1);
  }

  @Test
  void keepsMessagesThatAreOlderThanTheInboxRemembers() throws Exception {
    rig.execute("UPDATE inbox_floor SET floor = now() - interval '1 day'");
    AtomicInteger tooOld = new AtomicInteger();
    rig.start(
        rig.builder()
            .onFailure(FailurePolicy.PASS)
            .listener(
                new ConsumerListener() {
                  @Override
                  public void tooOld(String topic, int messages) {
                    tooOld.addAndGet(messages);
                  }
                }));
    String old = "01900000-0000-7000-8000-000000000001";
    assertThat(Instant.ofEpochMilli(0x019000000000L)).isBefore(Instant.now());
    rig.send(0, "a", ConsumerRig.newId(), "0");
    rig.send(0, "a", old, "1");
    rig.send(0, "a", ConsumerRig.newId(), "2");
    eventually().until(() -> rig.effects() == 2);
    eventually().until(() -> rig.committedOffset(0) == 3);
    assertThat(rig.textsOf("a")).containsExactly("0", "2");
    assertThat(rig.deadLetters()).hasSize(1);
    assertThat(rig.deadLetters().get(0).failure().reason()).contains("Forgotten");
    assertThat(tooOld).hasValue(1);
  }

  @Test
  void waitsForAPersonWhenTablesAreMissingAndGoesOnOnceTheyAreThere() throws Exception {
    rig.execute("ALTER TABLE inbox_message RENAME TO inbox_message_away");
    InboxConsumer consumer = rig.start(rig.builder());
    rig.sendMany(10, 3);
    eventually().until(() -> consumer.state() == ConsumerState.MISCONFIGURED);
    assertThat(consumer.reason()).contains("10_inbox.sql");
    assertThat(rig.effects()).isZero();
    rig.execute("ALTER TABLE inbox_message_away RENAME TO inbox_message");
    eventually().until(() -> rig.effects() == 10);
    eventually().until(() -> consumer.state() == ConsumerState.RUNNING);
    assertThat(rig.deadLetters()).isEmpty();
  }

  private void refuseDeadLetters(String state) throws SQLException {
    rig.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            + " RAISE EXCEPTION 'not now' USING ERRCODE = '"
            + state
            + "'; END $$;"
            + " CREATE TRIGGER refuse BEFORE INSERT ON inbox_dead_letter"
            + " FOR EACH ROW EXECUTE FUNCTION refuse()");
  }

  /** Nobody but the consumer knows that its handler has committed. */
  @Test
  void saysThatADeadLetterOfWhatWasCommittedCannotBeWritten() throws Exception {
    refuseDeadLetters("P0001");
    InboxConsumer consumer =
        rig.start(
            rig.builder()
                .handler((connection, message) -> connection.unwrap(Connection.class).commit()));
    rig.send(0, "a", ConsumerRig.newId(), "0");
    eventually().until(() -> consumer.state() == ConsumerState.MISCONFIGURED);
    assertThat(consumer.reason())
        .contains(rig.topic() + "-0@0: cannot write a dead letter", "do not restart", "not now");
    rig.execute("DROP TRIGGER refuse ON inbox_dead_letter");
    eventually().until(() -> rig.deadLetters().size() == 1);
    eventually().until(() -> consumer.state() == ConsumerState.RUNNING);
  }

  /** What counts as a conflict may be the same each time: 53400 a limit, 40001 a trigger's. */
  @ParameterizedTest
  @ValueSource(strings = {"53400", "57014", "40001"})
  void saysThatADeadLetterCannotBeWrittenWhateverItMeetsEachTime(String state) throws Exception {
    refuseDeadLetters(state);
    AtomicInteger retried = new AtomicInteger();
    InboxConsumer consumer =
        rig.start(
            rig.builder()
                .retry(new RetryPolicy(1, Duration.ofMillis(1), Duration.ofMillis(1), 0))
                .listener(
                    new ConsumerListener() {
                      @Override
                      public void retried(String topic, int part, int attempt, Throwable failure) {
                        retried.incrementAndGet();
                      }
                    })
                .handler(
                    (connection, message) -> {
                      throw new IllegalStateException("poison");
                    }));
    rig.send(0, "a", ConsumerRig.newId(), "0");
    eventually().until(() -> retried.get() > 0);
    eventually().until(() -> consumer.state() == ConsumerState.MISCONFIGURED);
    assertThat(consumer.reason()).contains(rig.topic() + "-0", "cannot write a dead letter");
    assertThat(consumer.reason()).contains("not now");
    // Not at once: what loses against others does no harm.
    assertThat(retried.get()).isGreaterThanOrEqualTo(20);
    rig.execute("DROP TRIGGER refuse ON inbox_dead_letter");
    eventually().until(() -> rig.deadLetters().size() == 1);
    eventually().until(() -> consumer.state() == ConsumerState.RUNNING);
    eventually().until(() -> rig.committedOffset(0) == 1);
  }

  @Test
  void waitsForAPersonWhenASourceBeginsANewEpoch() throws Exception {
    Inbox inbox = Inbox.named(ConsumerRig.NAME).mode(InboxMode.WATERMARK).build();
    InboxConsumer consumer = rig.start(rig.builder(inbox));
    rig.send(numbered("0", 1, 7));
    eventually().until(() -> rig.effects() == 1);
    rig.send(numbered("1", 2, 0));
    eventually().until(() -> consumer.state() == ConsumerState.MISCONFIGURED);
    assertThat(consumer.reason()).contains("epoch 2");
    new Transactions(rig.dataSource()).run(c -> inbox.acceptEpoch(c, "//orders", 2));
    eventually().until(() -> rig.effects() == 2);
    eventually().until(() -> consumer.state() == ConsumerState.RUNNING);
    assertThat(rig.deadLetters()).isEmpty();
  }

  @Test
  void deadLettersANumberedMessageSoThatTheMarkPassesIt() throws Exception {
    Inbox inbox = Inbox.named(ConsumerRig.NAME).mode(InboxMode.WATERMARK).build();
    InboxConsumer first =
        rig.start(
            rig.builder(inbox)
                .handler(
                    (connection, message) -> {
                      if (message.text().equals("0")) {
                        throw new IllegalStateException("poison");
                      }
                      ConsumerRig.addEffect(connection, message);
                    }));
    rig.send(numbered("0", 1, 0));
    rig.send(numbered("1", 1, 1));
    eventually().until(() -> rig.deadLetters().size() == 2);
    eventually().until(() -> rig.committedOffset(0) == 2);
    first.close();
    rig.resetGroup(0, 0);
    AtomicInteger repeats = new AtomicInteger();
    rig.start(
        rig.builder(Inbox.named(ConsumerRig.NAME).mode(InboxMode.WATERMARK).build())
            .listener(
                new ConsumerListener() {
                  @Override
                  public void duplicates(String topic, int messages) {
                    repeats.addAndGet(messages);
                  }
                }));
    eventually().until(() -> repeats.get() == 2);
    assertThat(rig.effects()).isZero();
    DeadLetters.of(inbox)
        .retryAll(
            new Transactions(rig.dataSource()), DeadLetterFilter.all(), ConsumerRig::addEffect);
    assertThat(rig.textsOf("a")).containsExactly("0", "1");
  }

  private ProducerRecord<byte[], byte[]> numbered(String text, int epoch, int sequence) {
    ProducerRecord<byte[], byte[]> made = rig.recordOf(0, "a", ConsumerRig.newId(), text);
    made.headers().add("ce_source", ConsumerRig.bytes("//orders"));
    made.headers().add("ce_epoch", ConsumerRig.bytes(Integer.toString(epoch)));
    made.headers().add("ce_sequence", ConsumerRig.bytes("%020d".formatted(sequence)));
    return made;
  }
}
