package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.inbox.DeadLetter.State;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class DeadLettersIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private DeadLetterBench bench;
  private DeadLetters letters;

  @BeforeEach
  void setUp() throws Exception {
    bench = new DeadLetterBench(create());
    letters = bench.letters;
  }

  @AfterEach
  void tearDown() throws Exception {
    bench.close();
  }

  /** Other databases run the same tests. */
  InboxDatabase create() throws Exception {
    return InboxDatabase.create(server());
  }

  /** Other versions run the same tests. */
  PostgresExtension server() {
    return postgres;
  }

  @Test
  void keepsEverythingOfAMessage() throws Exception {
    byte[] key = new byte[10 * 1024];
    new Random(7).nextBytes(key);
    byte[] binary = {0, 1, (byte) 0xFF, 0};
    List<Envelope.Header> headers =
        List.of(
            new Envelope.Header("twice", DeadLetterBench.bytes("first")),
            new Envelope.Header("twice", DeadLetterBench.bytes("second")),
            new Envelope.Header("none", null),
            new Envelope.Header("empty", new byte[0]),
            new Envelope.Header("", binary),
            new Envelope.Header("NUL \0, half \uD800, \\u0041", binary));
    Instant sentAt = Instant.parse("2026-11-24T10:15:30.123456789Z");
    Envelope envelope = new Envelope("orders", 3, 1L << 40, key, binary, sentAt, headers);
    MessageId id = MessageId.of("order \0 \\ 1");
    Instant before = Instant.now().minusSeconds(1);
    long added = bench.fail(id, envelope, DeadLetterBench.FAILURE);

    DeadLetter shown = bench.show(added);
    assertThat(shown.state()).isEqualTo(State.FAILED);
    assertThat(shown.failure()).isEqualTo(DeadLetterBench.FAILURE);
    assertThat(shown.messageId()).isEqualTo(id);
    assertThat(shown.messageId().text()).isEqualTo(id.text());
    assertThat(shown.isAdmitted()).isTrue();
    assertThat(shown.place()).isEqualTo("orders-3@1099511627776");
    assertThat(shown.sentAt()).isEqualTo(sentAt.truncatedTo(ChronoUnit.MICROS));
    assertThat(shown.key()).isEqualTo(key);
    assertThat(shown.envelope().value()).isEqualTo(binary);
    assertThat(shown.envelope().headers())
        .usingRecursiveFieldByFieldElementComparator()
        .containsExactlyElementsOf(headers);
    assertThat(shown.createdAt()).isBetween(before, Instant.now().plusSeconds(1));
  }

  @Test
  void tellsNoValueFromAnEmptyOne() throws Exception {
    Instant now = Instant.now();
    Envelope none = new Envelope("orders", 0, 1, null, null, now, List.of());
    Envelope empty = new Envelope("orders", 0, 2, new byte[0], new byte[0], now, List.of());
    DeadLetter first = bench.show(bench.fail(InboxDatabase.newId(), none, DeadLetterBench.FAILURE));
    DeadLetter second =
        bench.show(bench.fail(InboxDatabase.newId(), empty, DeadLetterBench.FAILURE));
    assertThat(first.key()).isNull();
    assertThat(first.envelope().value()).isNull();
    assertThat(second.key()).isEmpty();
    assertThat(second.envelope().value()).isEmpty();
    assertThat(isHeld(new byte[0])).isTrue();
  }

  @Test
  void keepsReasonsThatNoTextColumnTakes() throws Exception {
    Failure failure = new Failure("a\0b\u0007\uDC00", "line\nnext " + "x".repeat(100_000), 0);
    long id = bench.fail(InboxDatabase.newId(), bench.envelope("k", "v"), failure);
    Failure kept = bench.show(id).failure();
    assertThat(kept.reason()).isEqualTo("a\uFFFDb\uFFFD\uFFFD");
    assertThat(kept.detail()).startsWith("line next xxx").hasSize(Failure.DETAIL_CHARACTERS_MAX);
  }

  /** An exception without a name or message must still be told from a message that only waits. */
  @Test
  void keepsAFailureThatSaysNothing() throws Exception {
    long id = bench.fail(InboxDatabase.newId(), bench.envelope("k", "v"), new Failure("", "", 2));
    assertThat(bench.show(id).failure()).isEqualTo(new Failure("", "", 2));
  }

  @Test
  void listsPagesWithoutPayloadsByFilter() throws Exception {
    List<Long> ids = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      ids.add(bench.fail("key " + i, "value"));
    }
    ids.add(bench.queue("key 4", "value"));
    MessageId id = InboxDatabase.newId();
    ids.add(bench.fail(id, bench.envelope(null, "value"), new Failure("other", "", 1)));
    DeadLetterFilter all = DeadLetterFilter.all();

    assertThat(listed(all, 3, 0)).isEqualTo(ids.subList(0, 3));
    assertThat(listed(all, 3, ids.get(2))).isEqualTo(ids.subList(3, 6));
    assertThat(listed(all, 3, ids.get(5))).isEqualTo(ids.subList(6, 7));
    assertThat(listed(all, 3, ids.get(6))).isEmpty();
    byte[] key = DeadLetterBench.bytes("key 4");
    assertThat(listed(all.ofKey("orders", key), 10, 0)).isEqualTo(ids.subList(4, 6));
    assertThat(listed(all.ofKey("payments", key), 10, 0)).isEmpty();
    assertThat(listed(all.inState(State.WAITING), 10, 0)).containsExactly(ids.get(5));
    assertThat(listed(all.ofTopic("orders").withReason("other"), 10, 0))
        .containsExactly(ids.get(6));
    assertThat(listed(all.ofMessage(id), 10, 0)).containsExactly(ids.get(6));
    Instant soon = Instant.now().plusSeconds(60);
    assertThat(listed(all.createdBetween(Instant.EPOCH, soon), 10, 0)).isEqualTo(ids);
    assertThat(listed(all.createdBetween(soon, soon.plusSeconds(1)), 10, 0)).isEmpty();
    try (Connection connection = bench.database.connect()) {
      DeadLetter first = letters.list(connection, all, 1, 0).get(0);
      assertThat(first.envelope()).isNull();
      assertThat(first.key()).isEqualTo(DeadLetterBench.bytes("key 0"));
      assertThat(letters.count(connection, all.inState(State.FAILED))).isEqualTo(6);
    }
  }

  @Test
  void listsALargeNumberByPages() throws Exception {
    int many = 20_000;
    bench.database.execute(DeadLetterRetryIT.MANY.formatted(many));
    int listed = 0;
    long last = 0;
    List<Long> page;
    do {
      page = listed(DeadLetterFilter.all(), 999, last);
      assertThat(page).isSorted().hasSizeLessThanOrEqualTo(999);
      listed += page.size();
      last = page.isEmpty() ? last : page.get(page.size() - 1);
    } while (!page.isEmpty());
    assertThat(listed).isEqualTo(many);
  }

  @Test
  void findsThoseOfAnIdByAnIndex() throws Exception {
    MessageId uuid = InboxDatabase.newId();
    MessageId text = MessageId.of("\uD83D\uDE00".repeat(150) + "x".repeat(500), "/s");
    long ofUuid = bench.fail(uuid, bench.envelope("k", "value"), DeadLetterBench.FAILURE);
    long ofText = bench.fail(text, bench.envelope("k", "value"), DeadLetterBench.FAILURE);
    for (int rows = 1; rows <= 4096; rows *= 2) {
      bench.database.execute(
          ("INSERT INTO inbox_dead_letter (consumer, state, topic, message_partition,"
                  + " message_offset, message_id, message_key, is_admitted, sent_at, reason, detail,"
                  + " attempts) SELECT consumer, state, topic, message_partition,"
                  + " message_offset + %1$d, concat('id-', message_offset + %1$d), message_key,"
                  + " is_admitted, sent_at, reason, detail, attempts FROM inbox_dead_letter")
              .formatted(2 * rows));
    }
    bench.database.execute(
        "ANALYZE " + (bench.database.isPostgres() ? "" : "TABLE ") + "inbox_dead_letter");
    assertThat(listed(DeadLetterFilter.all().ofMessage(uuid), 10, 0)).containsExactly(ofUuid);
    assertThat(listed(DeadLetterFilter.all().ofMessage(text), 10, 0)).containsExactly(ofText);
    for (MessageId id : List.of(uuid, text, MessageId.of("id-77"))) {
      assertThat(plan(DeadLetterFilter.all().ofMessage(id))).contains("inbox_dead_letter_message");
    }
  }

  private String plan(DeadLetterFilter filter) throws Exception {
    DeadLetterWhere where =
        DeadLetterWhere.of(InboxDatabase.CONSUMER, filter).between(0, Long.MAX_VALUE);
    try (Connection connection = bench.database.connect();
        var explain =
            connection.prepareStatement(
                "EXPLAIN SELECT dead_letter_id FROM inbox_dead_letter"
                    + where.sql()
                    + " ORDER BY dead_letter_id LIMIT 100")) {
      where.bind(explain, bench.inbox.dialect().table(connection));
      StringBuilder plan = new StringBuilder();
      try (var row = explain.executeQuery()) {
        while (row.next()) {
          for (int i = 1; i <= row.getMetaData().getColumnCount(); i++) {
            // What MariaDB might have taken is another column than what it takes.
            boolean isTaken = !row.getMetaData().getColumnLabel(i).equals("possible_keys");
            plan.append(isTaken ? row.getString(i) : "").append('\n');
          }
        }
      }
      return plan.toString();
    }
  }

  @Test
  void holdsKeysOfItsConsumerAndTopicOnly() throws Exception {
    bench.fail("held", "value");
    bench.fail(null, "value");
    assertThat(isHeld(DeadLetterBench.bytes("held"))).isTrue();
    assertThat(isHeld(DeadLetterBench.bytes("free"))).isFalse();
    assertThat(isHeld(null)).isFalse();
    DeadLetters others = DeadLetters.of(Inbox.named("billing").build());
    try (Connection connection = bench.database.connect()) {
      byte[] key = DeadLetterBench.bytes("held");
      assertThat(letters.isHeld(connection, "payments", key)).isFalse();
      assertThat(others.isHeld(connection, "orders", key)).isFalse();
      assertThat(letters.heldKeys(connection, "orders")).isEqualTo(Set.of(DeadLetters.hashOf(key)));
      assertThat(letters.heldKeys(connection, "payments")).isEmpty();
      assertThat(others.count(connection, DeadLetterFilter.all())).isZero();
    }
  }

  @Test
  void letsNothingWaitThatHasNoKey() throws Exception {
    try (Connection connection = bench.database.connect()) {
      Envelope envelope = bench.envelope(null, "value");
      assertThatThrownBy(() -> letters.addBehind(connection, envelope, InboxDatabase.newId()))
          .isInstanceOf(InboxException.Misused.class)
          .hasMessageContaining(envelope.place());
    }
  }

  @Test
  void refusesAConnectionWithoutATransaction() throws Exception {
    try (Connection connection = bench.database.dataSource().getConnection()) {
      Envelope envelope = bench.envelope("k", "value");
      assertThatThrownBy(() -> letters.add(connection, envelope, null, DeadLetterBench.FAILURE))
          .isInstanceOf(InboxException.Misused.class)
          .hasMessageContaining("auto-commit");
      assertThatThrownBy(() -> letters.isHeld(connection, "orders", envelope.key()))
          .isInstanceOf(InboxException.Misused.class);
    }
  }

  @Test
  void namesTheSchemaFileWhereTablesAreMissing() throws Exception {
    bench.database.execute("DROP TABLE inbox_dead_letter CASCADE");
    assertThatThrownBy(bench::count)
        .isInstanceOf(InboxException.Misconfigured.class)
        .hasMessageContaining("10_inbox.sql");
    assertThatThrownBy(() -> letters.retry(bench.transactions, 1, DeadLetterBench.NOTE))
        .isInstanceOf(InboxException.Misconfigured.class)
        .hasMessageContaining("10_inbox.sql");
  }

  @Test
  void knowsMessagesWithoutIdByTheirPlace() throws Exception {
    Envelope envelope = bench.envelope("k", "value");
    Envelope recreatedTopic =
        new Envelope(
            envelope.topic(),
            envelope.partition(),
            envelope.offset(),
            envelope.key(),
            envelope.value(),
            envelope.sentAt().plusMillis(1),
            List.of());
    try (Connection connection = bench.database.connect()) {
      assertThat(letters.contains(connection, envelope)).isFalse();
      letters.add(connection, envelope, null, DeadLetterBench.FAILURE);
      assertThat(letters.contains(connection, envelope)).isTrue();
      assertThat(letters.contains(connection, recreatedTopic)).isFalse();
    }
  }

  /** Nothing else would keep it from being lost with the server once its offset is committed. */
  @Test
  void makesASessionThatDoesNotWaitForTheDiskWait() throws Exception {
    try (Connection connection = bench.database.connect()) {
      try (var statement = connection.createStatement()) {
        statement.execute("SET synchronous_commit = off");
        connection.commit();
        letters.add(connection, bench.envelope(null, "v"), null, DeadLetterBench.FAILURE);
        try (var row = statement.executeQuery("SHOW synchronous_commit")) {
          row.next();
          assertThat(row.getString(1)).isEqualTo("on");
        }
      }
    }
  }

  @Test
  void knowsMessagesWithoutIdEvenWhenTheyAreSettled() throws Exception {
    Envelope retried = bench.envelope("k", "retried");
    Envelope discarded = bench.envelope("k", "discarded");
    long first = addWithoutId(retried);
    long second = addWithoutId(discarded);
    letters.retry(bench.transactions, first, DeadLetterBench.NOTE);
    letters.discard(bench.transactions, second, "an empty test message");
    assertThat(bench.count()).isZero();
    try (Connection connection = bench.database.connect()) {
      assertThat(letters.contains(connection, retried)).isTrue();
      assertThat(letters.contains(connection, discarded)).isTrue();
    }
  }

  @Test
  void movesUpWhatWaitsBehindADiscardedOne() throws Exception {
    long front = bench.fail("k", "front");
    long behind = bench.queue("k", "behind");
    assertThat(letters.retry(bench.transactions, behind, DeadLetterBench.NOTE).inFront())
        .isEqualTo(front);
    assertThat(letters.discard(bench.transactions, front, "wrong order")).isTrue();
    assertThat(letters.discard(bench.transactions, front, "wrong order")).isFalse();
    assertThat(isHeld(DeadLetterBench.bytes("k"))).isTrue();
    assertThat(letters.retry(bench.transactions, behind, DeadLetterBench.NOTE).isSettled())
        .isTrue();
    assertThat(isHeld(DeadLetterBench.bytes("k"))).isFalse();
    assertThat(bench.notes()).containsExactly("behind");
  }

  @Test
  void wantsToKnowWhyOneIsDiscarded() throws Exception {
    long id = bench.fail("k", "front");
    assertThatThrownBy(() -> letters.discard(bench.transactions, id, " "))
        .isInstanceOf(InboxException.Misused.class);
    assertThat(bench.count()).isOne();
  }

  @Test
  void leavesDeadLettersOfOthersAlone() throws Exception {
    long id = bench.fail("k", "front");
    DeadLetters others = DeadLetters.of(Inbox.named("billing").build());
    assertThat(others.discard(bench.transactions, id, "not mine")).isFalse();
    assertThat(others.retry(bench.transactions, id, DeadLetterBench.NOTE).status())
        .isEqualTo(RetryOutcome.Status.GONE);
    assertThat(others.retryByForce(bench.transactions, id, DeadLetterBench.NOTE).status())
        .isEqualTo(RetryOutcome.Status.GONE);
    assertThat(bench.count()).isOne();
  }

  @Test
  void purgesOldOnesInBatchesAndNoOthers() throws Exception {
    Envelope headed =
        new Envelope(
            "orders",
            0,
            1,
            null,
            null,
            Instant.now(),
            List.of(new Envelope.Header("h", new byte[] {1})));
    bench.fail(InboxDatabase.newId(), headed, DeadLetterBench.FAILURE);
    bench.database.execute(
        DeadLetterRetryIT.MANY.formatted(2500),
        "UPDATE inbox_dead_letter SET created_at = " + bench.database.timestamp("31 DAY"));
    long young = bench.fail("k", "young");
    int before = bench.connections.borrowed();
    assertThat(letters.purge(bench.transactions, Duration.ofDays(30))).isEqualTo(2501);
    assertThat(bench.connections.borrowed() - before).isEqualTo(3);
    assertThat(letters.purge(bench.transactions, Duration.ofDays(30))).isZero();
    assertThat(listed(DeadLetterFilter.all(), 10, 0)).containsExactly(young);
    assertThat(bench.database.number("SELECT count(*) FROM inbox_dead_letter_header")).isZero();
    assertThatThrownBy(() -> letters.purge(bench.transactions, Duration.ZERO))
        .isInstanceOf(InboxException.Misused.class);
  }

  private long addWithoutId(Envelope envelope) throws Exception {
    return bench.transactions.run(
        connection -> letters.add(connection, envelope, null, DeadLetterBench.FAILURE));
  }

  private boolean isHeld(byte[] key) throws Exception {
    return bench.transactions.run(connection -> letters.isHeld(connection, "orders", key));
  }

  private List<Long> listed(DeadLetterFilter filter, int max, long afterId) throws Exception {
    return bench.transactions.run(
        connection ->
            letters.list(connection, filter, max, afterId).stream().map(DeadLetter::id).toList());
  }

  /** Nothing of this has a limit in Kafka but the size of a message. */
  @Test
  void keepsNamesOfAnyLengthAndTimesOfAnyYear() throws Exception {
    String name = "x".repeat(70_000);
    Envelope envelope =
        new Envelope(
            "orders",
            0,
            1,
            null,
            null,
            Instant.ofEpochMilli(Long.MAX_VALUE),
            List.of(new Envelope.Header(name, new byte[] {1})));
    MessageId id = MessageId.of("y".repeat(MessageId.CHARACTERS_MAX - 1) + "\0", "/s");
    DeadLetter kept = bench.show(bench.fail(id, envelope, DeadLetterBench.FAILURE));
    assertThat(kept.envelope().headers().get(0).name()).isEqualTo(name);
    assertThat(kept.messageId()).isEqualTo(id);
    assertThat(kept.sentAt()).isEqualTo(Instant.parse("9999-12-31T23:59:59.999999Z"));
    try (Connection connection = bench.database.connect()) {
      assertThat(letters.contains(connection, envelope)).isTrue();
    }
  }
}
