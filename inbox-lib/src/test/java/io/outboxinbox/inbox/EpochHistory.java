package io.outboxinbox.inbox;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A random life of one consumer: partitions with messages of several sources and epochs, some from
 * before messages said their source; batches of any size over any partitions, redeliveries, crashes
 * on both sides of the commit, and epochs that are accepted sooner or later, or before they come.
 */
final class EpochHistory {
  private static final int PARTITIONS = 3;
  private static final int MESSAGES_MAX = 90;
  private static final String NAME = "shop";

  private final InboxDatabase database;
  private final Random random;
  private final InboxMode mode;
  private final List<List<Arrival>> log = new ArrayList<>();
  private final int[] position = new int[PARTITIONS];
  private Inbox inbox;

  EpochHistory(InboxDatabase database, long seed) {
    this.database = database;
    this.random = new Random(seed);
    this.mode = random.nextBoolean() ? InboxMode.WATERMARK : InboxMode.HYBRID;
    this.inbox = newInbox();
    for (int partition = 0; partition < PARTITIONS; partition++) {
      log.add(new ArrayList<>());
    }
    write();
  }

  private Inbox newInbox() {
    return Inbox.named(InboxDatabase.CONSUMER).mode(mode).build();
  }

  /** Numbers rise within an epoch and begin again with the next, for each source by itself. */
  private void write() {
    long[] epoch = {10 + random.nextInt(3), 20 + random.nextInt(3)};
    long[] sequence = {random.nextInt(100), random.nextInt(100)};
    boolean[] isNamed = {random.nextBoolean(), true};
    boolean isAlone = random.nextBoolean();
    for (int i = 0; i < MESSAGES_MAX; i++) {
      int source = isAlone ? 0 : random.nextInt(2);
      if (random.nextInt(12) == 0) {
        epoch[source] += 1 + random.nextInt(2);
        sequence[source] = 0;
      }
      // Only one source is from before: two of one name are what that version could not tell.
      isNamed[source] |= random.nextInt(20) == 0;
      sequence[source] += 1 + random.nextInt(3);
      int partition = random.nextInt(PARTITIONS);
      String id = (7611 + source) + "/shop/outbox_publication";
      Origin origin =
          new Origin(
              isNamed[source] ? id : NAME,
              isNamed[source] && source == 0 ? NAME : null,
              "orders",
              partition,
              epoch[source],
              sequence[source]);
      log.get(partition).add(new Arrival(InboxDatabase.newId(), null, origin));
    }
  }

  /** Lives until every message is done; returns how many there are. */
  int run() throws SQLException {
    try (Connection connection = database.connect()) {
      while (!isDone()) {
        step(connection);
      }
    }
    return log.stream().mapToInt(List::size).sum();
  }

  private boolean isDone() {
    for (int partition = 0; partition < PARTITIONS; partition++) {
      if (position[partition] < log.get(partition).size()) {
        return false;
      }
    }
    return true;
  }

  private void step(Connection connection) throws SQLException {
    if (random.nextInt(8) == 0) {
      // A restart: memory is gone, and the broker delivers again from some earlier offset.
      inbox = newInbox();
      int partition = random.nextInt(PARTITIONS);
      position[partition] = random.nextInt(position[partition] + 1);
    }
    if (random.nextInt(30) == 0) {
      accept(connection, (7611 + random.nextInt(2)) + "/shop/outbox_publication");
    }
    int[] taken = new int[PARTITIONS];
    List<Arrival> batch = batch(taken);
    List<Outcome> outcomes;
    try {
      outcomes = inbox.admitAll(connection, batch);
    } catch (InboxException.Misconfigured refused) {
      connection.rollback();
      if (random.nextInt(4) == 0) {
        acceptNamed(connection, refused.getMessage());
      }
      return;
    }
    for (Outcome outcome : outcomes) {
      if (outcome.isTooOld()) {
        throw new AssertionError("too old: " + outcome.arrival());
      }
      if (outcome.isNew()) {
        InboxDatabase.addEffect(connection, outcome.id());
      }
    }
    if (random.nextInt(6) == 0) {
      connection.rollback();
      return;
    }
    connection.commit();
    if (random.nextInt(6) != 0) {
      inbox.committed(outcomes);
    }
    for (int partition = 0; partition < PARTITIONS; partition++) {
      // Killed between the commit and the broker's offset: the same comes again.
      position[partition] += random.nextInt(6) == 0 ? 0 : taken[partition];
    }
  }

  private List<Arrival> batch(int[] taken) {
    List<Arrival> batch = new ArrayList<>();
    int size = 1 + random.nextInt(random.nextBoolean() ? 1 : 15);
    int only = random.nextInt(PARTITIONS);
    boolean isOfAll = random.nextInt(4) == 0;
    for (int i = 0; i < size; i++) {
      int partition = isOfAll ? random.nextInt(PARTITIONS) : only;
      int next = position[partition] + taken[partition];
      if (next < log.get(partition).size()) {
        batch.add(log.get(partition).get(next));
        taken[partition]++;
      }
    }
    return batch;
  }

  private void acceptNamed(Connection connection, String refusal) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement(refusal.substring(refusal.indexOf("INSERT INTO")))) {
      statement.executeUpdate();
    }
    connection.commit();
  }

  /** Somebody accepts an epoch that has not come yet, or came long ago. */
  private void accept(Connection connection, String source) throws SQLException {
    inbox.acceptEpoch(connection, source, 10 + random.nextInt(20));
    connection.commit();
  }
}
