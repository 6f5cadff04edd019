package io.outboxinbox.inbox.works;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.outboxinbox.inbox.Inbox;
import io.outboxinbox.inbox.InboxException;
import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.inbox.Outcome;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.ds.PGSimpleDataSource;

/** What holds whichever way the transaction is run. */
abstract class EffectsOnceContract {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  protected final Inbox inbox = Inbox.named("inventory").build();
  private final ExecutorService others = Executors.newCachedThreadPool();
  private PostgresDatabase database;

  /** What happens in the transaction after the effect. */
  interface Step {
    void run() throws Exception;
  }

  /** Checked, since some frameworks commit in spite of those. */
  private static final class OutOfStock extends Exception {}

  private static final class TooOld extends RuntimeException {
    TooOld(MessageId id) {
      super("whether " + id + " was handled is not known any more");
    }
  }

  /**
   * Nobody knows whether a message was handled that is older than what the inbox remembers. Passing
   * over it could lose it, so the examples refuse it; a service would set it aside.
   */
  static Outcome notTooOld(Outcome outcome) {
    if (outcome.isTooOld()) {
      throw new TooOld(outcome.id());
    }
    return outcome;
  }

  /** Sets the framework up. */
  abstract void start() throws Exception;

  /** Ends what {@link #start} began. */
  void stop() throws Exception {}

  /**
   * Handles a message, which means to insert its id into table {@code reservation}.
   *
   * @return whether it was new
   */
  abstract boolean consume(MessageId id, Step afterEffect) throws Exception;

  /** The mistake that this way of working invites. */
  abstract void misuse(MessageId id) throws Exception;

  @BeforeEach
  final void setUp() throws Exception {
    database = postgres.newDatabase("10_inbox");
    database.execute("CREATE TABLE reservation (order_id text NOT NULL)");
    start();
  }

  @AfterEach
  final void tearDown() throws Exception {
    others.shutdownNow();
    stop();
  }

  final PGSimpleDataSource dataSource() {
    PGSimpleDataSource source = new PGSimpleDataSource();
    source.setUrl(database.jdbcUrl());
    source.setUser(database.user());
    source.setPassword(database.password());
    return source;
  }

  @Test
  final void handlesAMessageOnceHoweverOftenItComes() throws Exception {
    MessageId id = MessageId.of("order-1");
    assertThat(consume(id, () -> {})).isTrue();
    assertThat(consume(id, () -> {})).isFalse();
    assertThat(consume(MessageId.of("order-2"), () -> {})).isTrue();
    assertThat(database.number("SELECT count(*) FROM reservation")).isEqualTo(2);
    assertThat(database.number("SELECT count(*) FROM inbox_message")).isEqualTo(2);
  }

  @Test
  final void storesNothingWhenTheHandlerThrowsAndHandlesTheNextDelivery() throws Exception {
    MessageId id = MessageId.of("order-1");
    Throwable thrown =
        catchThrowable(
            () ->
                consume(
                    id,
                    () -> {
                      throw new OutOfStock();
                    }));
    assertThat(rootOf(thrown)).isInstanceOf(OutOfStock.class);
    assertThat(database.number("SELECT count(*) FROM reservation")).isZero();
    assertThat(database.number("SELECT count(*) FROM inbox_message")).isZero();
    assertThat(consume(id, () -> {})).isTrue();
    assertThat(database.number("SELECT count(*) FROM reservation")).isEqualTo(1);
  }

  @Test
  final void letsTheSecondOfTwoWaitForTheFirst() throws Exception {
    MessageId id = MessageId.of("order-1");
    CompletableFuture<Void> firstIsInside = new CompletableFuture<>();
    CountDownLatch secondWaits = new CountDownLatch(1);
    Future<Boolean> first =
        others.submit(
            () ->
                consume(
                    id,
                    () -> {
                      firstIsInside.complete(null);
                      assertThat(secondWaits.await(120, TimeUnit.SECONDS)).isTrue();
                    }));
    firstIsInside.get(120, TimeUnit.SECONDS);
    Future<Boolean> second = others.submit(() -> consume(id, () -> {}));
    Awaitility.await()
        .atMost(Duration.ofMinutes(2))
        .until(
            () ->
                database.number(
                        """
                        SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event_type = 'Lock'""")
                    == 1);
    secondWaits.countDown();
    assertThat(first.get(120, TimeUnit.SECONDS)).isTrue();
    assertThat(second.get(120, TimeUnit.SECONDS)).isFalse();
    assertThat(database.number("SELECT count(*) FROM reservation")).isEqualTo(1);
  }

  @Test
  final void refusesToWorkOutsideATransaction() throws Exception {
    assertThatThrownBy(() -> misuse(MessageId.of("order-1")))
        .isInstanceOf(InboxException.Misused.class)
        .hasMessageContaining("auto-commit mode")
        .hasMessageContaining("pass the connection of the running transaction");
    assertThat(database.number("SELECT count(*) FROM reservation")).isZero();
    assertThat(database.number("SELECT count(*) FROM inbox_message")).isZero();
  }

  @Test
  final void doesNotPassOverAMessageThatIsTooOldToBeRemembered() throws Exception {
    database.execute("UPDATE inbox_floor SET floor = now() - interval '1 day'");
    // A UUID version 7 of the year 2020.
    MessageId id = MessageId.of("016f5e66-e800-7000-8000-000000000001");
    assertThat(rootOf(catchThrowable(() -> consume(id, () -> {})))).isInstanceOf(TooOld.class);
    assertThat(database.number("SELECT count(*) FROM reservation")).isZero();
  }

  private static Throwable rootOf(Throwable thrown) {
    Throwable root = thrown;
    while (root.getCause() != null) {
      root = root.getCause();
    }
    return root;
  }
}
