package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Id, effect and the event that follows, in one transaction, whatever is delivered how often. */
class ConsumeTransformProduceIT {
  private static final int MESSAGES = 100;
  private static final int CONSUMERS = 4;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private final Inbox inbox = Inbox.named(InboxDatabase.CONSUMER).build();
  private final Outbox outbox = Outbox.create();
  private final ExecutorService consumers = Executors.newFixedThreadPool(CONSUMERS);
  private final long seed = System.nanoTime();
  private final List<Message> messages =
      IntStream.range(0, MESSAGES)
          .mapToObj(i -> OutboxIT.message(InboxDatabase.newId().text(), List.of()))
          .toList();
  private InboxDatabase database;
  private HikariDataSource pool;
  private Transactions transactions;

  /** The process dies here, as far as the transaction can tell. */
  private static final class Died extends RuntimeException {}

  @BeforeEach
  void setUp() throws Exception {
    database = InboxDatabase.create(postgres);
    database.database().runScript("schema/postgresql/01_outbox.sql");
    pool = new HikariDataSource();
    pool.setJdbcUrl(database.database().jdbcUrl());
    pool.setUsername(database.database().user());
    pool.setPassword(database.database().password());
    transactions = new Transactions(pool);
  }

  @AfterEach
  void tearDown() {
    consumers.shutdownNow();
    pool.close();
  }

  @Test
  void writesOneEventForEachMessageHandledOneByOne() throws Exception {
    deliverToAll(1);
    assertThatEachMessageLedToOneEffectAndOneEvent();
  }

  @Test
  void writesOneEventForEachMessageHandledInBatches() throws Exception {
    deliverToAll(20);
    assertThatEachMessageLedToOneEffectAndOneEvent();
  }

  /** Every consumer gets every message, in an order of its own, and again whatever failed. */
  private void deliverToAll(int batchSize) throws Exception {
    List<Future<?>> runs = new ArrayList<>();
    for (int i = 0; i < CONSUMERS; i++) {
      Random random = new Random(seed + i);
      runs.add(consumers.submit(() -> deliver(batchSize, random)));
    }
    for (Future<?> run : runs) {
      run.get(120, TimeUnit.SECONDS);
    }
  }

  private Void deliver(int batchSize, Random random) throws SQLException {
    List<Message> deliveries = new ArrayList<>(messages);
    Collections.shuffle(deliveries, random);
    for (int from = 0; from < deliveries.size(); ) {
      List<Message> batch = deliveries.subList(from, from + batchSize);
      try {
        List<Outcome> outcomes =
            transactions.runThroughConflicts(10, connection -> handle(connection, batch, random));
        // Whoever dies after the commit gets everything again.
        if (random.nextInt(4) > 0) {
          inbox.committed(outcomes);
          from += batchSize;
        }
      } catch (Died e) {
        // Delivered again.
      }
    }
    return null;
  }

  private List<Outcome> handle(Connection connection, List<Message> batch, Random random)
      throws SQLException {
    List<Outcome> outcomes =
        inbox.admitAll(connection, batch.stream().map(Message::arrival).toList());
    List<OutboxMessage> events = new ArrayList<>();
    for (int i = 0; i < batch.size(); i++) {
      if (outcomes.get(i).isNew()) {
        Message message = batch.get(i);
        InboxDatabase.addEffect(connection, message.id());
        events.add(
            OutboxMessage.builder()
                .aggregateType("reservation")
                .aggregateId(message.id().text())
                .eventType("Reserved")
                .causedBy(message)
                .build());
      }
    }
    dieNowAndThen(random);
    outbox.publishAll(connection, events);
    dieNowAndThen(random);
    return outcomes;
  }

  private static void dieNowAndThen(Random random) {
    if (random.nextInt(8) == 0) {
      throw new Died();
    }
  }

  private void assertThatEachMessageLedToOneEffectAndOneEvent() throws SQLException {
    assertThat(database.effects()).as("seed %d", seed).isEqualTo(MESSAGES);
    assertThat(database.number("SELECT count(*) FROM outbox_event"))
        .as("seed %d", seed)
        .isEqualTo(MESSAGES);
    assertThat(
            database.number(
                """
                SELECT count(DISTINCT effect.id) FROM outbox_event
                JOIN effect ON effect.id = outbox_event.headers->>'causation-id'"""))
        .as("seed %d", seed)
        .isEqualTo(MESSAGES);
  }
}
