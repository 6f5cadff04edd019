package io.outboxinbox.agent.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class InTransactionIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private PostgresDatabase database;

  @BeforeEach
  void setUp() throws Exception {
    database = postgres.newDatabase();
  }

  /** Whoever looks for the cause must not find the attempt to roll back instead. */
  @Test
  void tellsWhatFailedWhereNothingCanBeRolledBack() throws Exception {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      SQLException failure =
          catchThrowableOfType(
              SQLException.class,
              () ->
                  InTransaction.run(
                      connection,
                      () -> statement.execute("SELECT pg_terminate_backend(pg_backend_pid())")));
      assertThat(failure.getSQLState()).isEqualTo("57P01");
    }
  }

  @Test
  void changesAllOrNothingAndLeavesTheSessionAsItWas() throws Exception {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      statement.execute("CREATE TABLE t (n int)");
      InTransaction.run(connection, () -> statement.execute("INSERT INTO t VALUES (1)"));
      SQLException failure =
          catchThrowableOfType(
              SQLException.class,
              () ->
                  InTransaction.run(
                      connection,
                      () -> statement.execute("INSERT INTO t VALUES (2); SELECT 1 / 0")));
      assertThat(failure.getSQLState()).isEqualTo("22012");
      assertThat(connection.getAutoCommit()).isTrue();
      try (var row = statement.executeQuery("SELECT sum(n) FROM t")) {
        row.next();
        assertThat(row.getInt(1)).isEqualTo(1);
      }
    }
  }
}
