package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.DeadLetterFilter;
import io.outboxinbox.inbox.DeadLetterGrowth;
import io.outboxinbox.inbox.Transactions;
import java.sql.SQLException;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Counts the consumer's dead letters now and then, on a worker, and tells who wants to know. */
final class DeadLetterCount implements Runnable {
  private static final Logger log = LoggerFactory.getLogger(InboxConsumer.class);

  /** A guess: soon enough for an alert, seldom enough for a large table. */
  private static final Duration EVERY = Duration.ofSeconds(10);

  private final Settings settings;
  private final Workers workers;
  private final Transactions transactions;

  DeadLetterCount(Settings settings, Workers workers) {
    this.settings = settings;
    this.workers = workers;
    this.transactions = new Transactions(settings.dataSource());
  }

  @Override
  public void run() {
    try {
      long count =
          transactions.run(
              connection -> settings.deadLetters().count(connection, DeadLetterFilter.all()));
      settings.listener().deadLettersKept(count);
      DeadLetterGrowth growth = settings.growth();
      if (growth != null) {
        growth.counted(count);
      }
    } catch (SQLException | RuntimeException e) {
      // Lanes meet the same failure, and they tell.
      log.debug("dead letters not counted: {}", e.toString());
    }
    workers.runAfter(EVERY, this);
  }
}
