package io.outboxinbox.agent.operate.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.CommandRun;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Purging by age, and what stands in the way of whoever changes parked events. */
class ParkedPurgeIT extends ParkedCommandSetUp {
  /** 2,400 settled long ago, each at a time of its own, 100 settled now, and 100 that wait. */
  private void parkMany() throws SQLException {
    database.execute(
        """
        INSERT INTO outbox_parked (source, ordinal, state, reason, is_behind, epoch, xid, lsn, committed_at, settled_at)
        SELECT '%s', n, CASE WHEN n <= 2500 THEN 'discarded' ELSE 'waiting' END, 'r', false, 1, 1, '0/1', now(),
               CASE WHEN n <= 2400 THEN now() - interval '31 days' + n * interval '1 second' WHEN n <= 2500 THEN now() END
        FROM generate_series(1, 2600) AS n
        """
            .formatted(source),
        "INSERT INTO outbox_parked_edit (source, ordinal, edited_by, reason, field) SELECT source, ordinal, 'x', 'y', 'topic' FROM outbox_parked");
  }

  private CommandRun purge(String olderThan) throws Exception {
    return succeed("purge", "--older-than", olderThan, "--yes");
  }

  /** What is counted is what goes, or is emptied. */
  @Test
  void saysWhatAPurgeWouldDeleteAsLongAsNobodyHasConfirmedIt() throws Exception {
    park(1, "k", false, "why");
    park(2, "k", false, "why");
    park(3, "k", false, "why");
    database.execute(
        "UPDATE outbox_parked SET state = 'discarded', settled_at = now() - interval '31 days' WHERE ordinal < 3");
    for (int times = 0; times < 2; times++) {
      assertThat(succeed("purge", "--older-than", "30d").out())
          .contains("would delete 2 settled events; add --yes to do it");
    }
    assertThat(purge("30d").out()).contains("deleted 2 settled");
    assertThat(succeed("purge", "--older-than", "30d").out()).contains("would delete 0 settled");
    assertThat(one("SELECT string_agg(ordinal || state, ' ' ORDER BY ordinal) FROM outbox_parked"))
        .as("the last number that is settled stays")
        .isEqualTo("2discarded 3waiting");
  }

  @Test
  void purgesOnlyWhatWasSettledLongAgo() throws Exception {
    parkMany();
    assertThat(succeed("purge", "--older-than", "30d").out())
        .contains("would delete 2,400 settled events; add --yes to do it");
    assertThat(one("SELECT count(*) FROM outbox_parked")).isEqualTo("2600");
    assertThat(purge("30d").out()).contains("deleted 2,400 settled");
    assertThat(one("SELECT count(*) || ' ' || min(ordinal) FROM outbox_parked"))
        .isEqualTo("200 2401");
    assertThat(one("SELECT count(*) FROM outbox_parked_edit")).isEqualTo("200");
    assertThat(run("purge", "--older-than", "30", "--yes").exitCode()).isEqualTo(2);
  }

  /** What a purge has deleted stays deleted when a later portion of it cannot be. */
  @Test
  @Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
  void saysHowManyWerePurgedBeforeOneThatIsLocked() throws Exception {
    parkMany();
    try (Connection other = database.connect();
        Statement statement = other.createStatement()) {
      other.setAutoCommit(false);
      statement.execute("SELECT 1 FROM outbox_parked_edit WHERE ordinal = 1500 FOR UPDATE");
      CommandRun ended = run("purge", "--older-than", "30d", "--yes");
      assertThat(ended.exitCode()).as(ended.toString()).isEqualTo(3);
      assertThat(ended.err())
          .contains("1,000 events were purged before and stay so")
          .doesNotContain("nothing was changed");
      assertThat(blockers(ended)).contains(one(statement, "SELECT pg_backend_pid()"));
    }
    assertThat(one("SELECT count(*) FROM outbox_parked")).isEqualTo("1600");
    assertThat(purge("30d").out()).contains("deleted 1,400 settled");
  }

  /** A row read with FOR UPDATE in a session that was then forgotten, an index, a lock. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "SELECT 1 FROM outbox_parked FOR UPDATE",
        "CREATE INDEX ON outbox_parked (reason)",
        "LOCK TABLE outbox_parked IN ACCESS EXCLUSIVE MODE"
      })
  @Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
  void everyCommandThatMeetsALockEndsAndSaysWhoseItIs(String lock) throws Exception {
    park(1, "k", false, "why");
    try (Connection other = database.connect();
        Statement statement = other.createStatement();
        Connection gate = database.connect();
        Statement gateKeeper = gate.createStatement()) {
      other.setAutoCommit(false);
      statement.execute(lock);
      String holder = one(statement, "SELECT pg_backend_pid()");
      CompletableFuture<Boolean> work = keepAtWork(statement, holder, gateKeeper);
      for (String[] arguments :
          List.of(
              new String[] {"release", "1"},
              new String[] {"release", "--all", "--yes"},
              new String[] {"discard", "1", "--reason", "x"},
              new String[] {"edit", "1", "--reason", "x", "--type", "T"})) {
        CommandRun ended =
            run(
                arguments[0],
                List.of(arguments).subList(1, arguments.length).toArray(String[]::new));
        assertThat(ended.exitCode()).as(ended.toString()).isEqualTo(3);
        assertThat(ended.err()).contains("nothing was changed: another session has locked");
        assertThat(blockers(ended)).containsOnly(holder);
      }
      assertThat(one(gateKeeper, "SELECT pg_advisory_unlock(1)")).isEqualTo("t");
      assertThat(work.get()).isTrue();
    }
    assertThat(requests()).isEmpty();
    succeed("release", "1");
  }

  /** Whoever builds an index is not idle. */
  private CompletableFuture<Boolean> keepAtWork(Statement session, String pid, Statement gateKeeper)
      throws SQLException {
    gateKeeper.execute("SELECT pg_advisory_lock(1)");
    CompletableFuture<Boolean> work =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return session.execute("SELECT pg_advisory_xact_lock(1)");
              } catch (SQLException e) {
                throw new IllegalStateException(e);
              }
            });
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> one("SELECT state FROM pg_stat_activity WHERE pid = " + pid).equals("active"));
    return work;
  }

  /** Whoever reads the outbox waits as well, for such as a partition that is dropped. */
  @Test
  @Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
  void aPurgeThatMeetsALockOnTheOutboxSaysWhoseItIs() throws Exception {
    try (Connection other = database.connect();
        Statement statement = other.createStatement()) {
      other.setAutoCommit(false);
      statement.execute("LOCK TABLE outbox_event IN ACCESS EXCLUSIVE MODE");
      CommandRun ended = run("purge", "--older-than", "30d", "--yes");
      assertThat(ended.err()).contains("nothing was changed");
      assertThat(blockers(ended)).containsOnly(one(statement, "SELECT pg_backend_pid()"));
    }
  }

  /** The processes that the printed query names, run as it is printed. */
  private List<String> blockers(CommandRun ended) throws SQLException {
    String query = ended.err().substring(ended.err().indexOf("SELECT ")).replace(";", "").strip();
    List<String> pids = new ArrayList<>();
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(query)) {
      while (row.next()) {
        pids.add(row.getString("pid"));
      }
    }
    return pids;
  }

  private static String one(Statement statement, String sql) throws SQLException {
    try (ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getString(1);
    }
  }
}
