package io.outboxinbox.agent.stream;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.Captured;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.event.SourcePosition;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.source.PublicationMark;
import io.outboxinbox.agent.source.SourceConfiguration;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.log.LogReader;
import io.outboxinbox.agent.source.slot.FirstStart;
import io.outboxinbox.agent.source.table.SourceRegistry;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresServer;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Goal: a row below the bound has always been delivered, whatever transactions are open. Method:
 * writers keep transactions open, with savepoints and two-phase commits, while pulses are sent; at
 * the end of each returned pulse the table is asked which rows lie below the bound, and all of them
 * must have come already.
 */
class EndedXidIT {
  private static final String NONCE = "nonce";
  private static final int WRITERS = 8;
  private static final int PULSES = 60;

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  @ParameterizedTest
  @EnumSource(PostgresVersion.class)
  void everyRowBelowTheBoundHasBeenDelivered(PostgresVersion version) throws Exception {
    long seed = System.nanoTime();
    System.out.println("ended transactions: seed " + seed);
    try (PostgresServer server =
        PostgresServer.start(
            PostgresServer.Options.of(version).withSetting("max_prepared_transactions", "50"))) {
      PipelineRig rig = PipelineRig.on(server, kafka);
      SourceConfiguration source = rig.configuration("").source();
      AtomicBoolean isDone = new AtomicBoolean();
      List<Thread> writers = new ArrayList<>();
      try (Connection connection = rig.database.connect()) {
        SourcePosition start = createSlot(connection, source);
        for (int i = 0; i < WRITERS; i++) {
          Random random = new Random(seed + i);
          writers.add(new Thread(() -> write(rig.database, random, isDone)));
        }
        writers.forEach(Thread::start);
        follow(connection, source, start);
      } finally {
        isDone.set(true);
        for (Thread writer : writers) {
          writer.join();
        }
      }
    }
  }

  @Test
  void aRowOfATransactionStillOpenIsAboveTheBoundHoweverOldItIs() throws Exception {
    try (PostgresServer server =
        PostgresServer.start(
            PostgresServer.Options.of(PostgresVersion.V17)
                .withSetting("max_prepared_transactions", "5"))) {
      PipelineRig rig = PipelineRig.on(server, kafka);
      try (Connection prepared = rig.database.connect();
          Connection open = rig.database.connect()) {
        Pipeline pipeline = rig.start("");
        rig.awaitLeading(pipeline);
        prepared.setAutoCommit(false);
        insert(prepared, "prepared");
        long xid = number(prepared, "SELECT pg_current_xact_id()::text::bigint");
        execute(prepared, "PREPARE TRANSACTION 'p'");
        prepared.commit();
        prepared.setAutoCommit(true);
        open.setAutoCommit(false);
        execute(open, "SAVEPOINT s");
        insert(open, "below a savepoint");
        rig.insert(0, 3);
        rig.awaitEvents(3);
        long end = number(prepared, "SELECT (pg_current_wal_lsn() - '0/0')::bigint");
        rig.await(() -> rig.checkpoint().position().commitLsn() > end);
        assertThat(rig.checkpoint().endedXid()).isPositive().isLessThanOrEqualTo(xid);
        open.commit();
        execute(prepared, "COMMIT PREPARED 'p'");
        rig.awaitEvents(5);
        rig.await(() -> rig.checkpoint().endedXid() > xid);
      }
      rig.close();
    }
  }

  private static SourcePosition createSlot(Connection connection, SourceConfiguration source)
      throws SQLException {
    SourceRegistry registry = new SourceRegistry(source);
    registry.register(connection, "s");
    registry.beginEpoch(connection, "s", 1, "");
    return new FirstStart(source, new SourceConnections(source))
        .createSlot("s", new SourceRegistry.Turn(1, 0), Optional.empty())
        .position();
  }

  private static void follow(
      Connection connection, SourceConfiguration source, SourcePosition start) throws Exception {
    SourceRegistry registry = new SourceRegistry(source);
    String mark = PublicationMark.of(connection, source);
    EndedTransactions ended = new EndedTransactions(mark);
    Set<String> delivered = new HashSet<>();
    int pulses = 0;
    int rowsBelow = 0;
    Checkpoint checkpoint = checkpoint(start, mark);
    try (LogReader reader = new LogReader(source, start, NONCE, 500)) {
      reader.start();
      long deadline = System.nanoTime() + Duration.ofMinutes(4).toNanos();
      while (pulses < PULSES) {
        registry.pulse(connection, "s", "test", NONCE + ":" + pulses);
        for (Captured captured : reader.poll()) {
          if (captured instanceof Captured.Row row) {
            delivered.add(row.event().id());
          } else if (captured instanceof Captured.Pulse pulse) {
            ended.pulse(pulse);
          } else if (captured instanceof Captured.TransactionEnd end) {
            ended.end(end.position());
            Checkpoint next = ended.addTo(checkpoint.advancedTo(end.position(), 0));
            if (next.endedXid() > checkpoint.endedXid()) {
              pulses++;
              List<String> below = below(connection, next.endedXid());
              assertThat(delivered).as("below %d", next.endedXid()).containsAll(below);
              rowsBelow = below.size();
            }
            checkpoint = next;
          }
        }
        assertThat(System.nanoTime()).as("%d pulses came back", pulses).isLessThan(deadline);
      }
    }
    // The bound must move on, or it would prove nothing.
    assertThat(rowsBelow).isGreaterThan(100);
  }

  private static List<String> below(Connection connection, long endedXid) throws SQLException {
    List<String> ids = new ArrayList<>();
    try (PreparedStatement statement =
        connection.prepareStatement(
            "SELECT id FROM outbox_event WHERE age(xmin) > age(?::text::xid)")) {
      statement.setString(1, Long.toString(endedXid & 0xFFFFFFFFL));
      try (ResultSet rows = statement.executeQuery()) {
        while (rows.next()) {
          ids.add(rows.getString(1));
        }
      }
    }
    return ids;
  }

  /** Transactions of all kinds, some of them long; every fifth rolls back. */
  private static void write(PostgresDatabase database, Random random, AtomicBoolean isDone) {
    try (Connection connection = database.connect()) {
      while (!isDone.get()) {
        connection.setAutoCommit(false);
        int steps = 1 + random.nextInt(5);
        for (int i = 0; i < steps; i++) {
          boolean isNested = random.nextBoolean();
          if (isNested) {
            execute(connection, "SAVEPOINT s");
          }
          insert(connection, "k");
          if (isNested && random.nextInt(3) == 0) {
            execute(connection, "ROLLBACK TO SAVEPOINT s");
          }
          Thread.sleep(random.nextInt(random.nextInt(10) == 0 ? 200 : 5));
        }
        end(connection, random);
      }
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void end(Connection connection, Random random)
      throws SQLException, InterruptedException {
    int choice = random.nextInt(10);
    if (choice < 2) {
      connection.rollback();
    } else if (choice < 5) {
      String name = UUID.randomUUID().toString();
      execute(connection, "PREPARE TRANSACTION '" + name + "'");
      connection.commit();
      connection.setAutoCommit(true);
      Thread.sleep(random.nextInt(100));
      execute(connection, (choice == 2 ? "ROLLBACK" : "COMMIT") + " PREPARED '" + name + "'");
    } else {
      connection.commit();
    }
  }

  private static void insert(Connection connection, String key) throws SQLException {
    execute(
        connection,
        "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type) VALUES ('order', '"
            + key
            + "', 'placed')");
  }

  private static void execute(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private static long number(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getLong(1);
    }
  }

  private static Checkpoint checkpoint(SourcePosition start, String mark) {
    return new Checkpoint(
        new SourceIdentity("1", "db", "pub"),
        "test",
        1,
        "slot",
        mark,
        1,
        0,
        Checkpoint.BACKLOG_DONE,
        start,
        Checkpoint.Parking.NONE,
        0,
        0,
        0);
  }
}
