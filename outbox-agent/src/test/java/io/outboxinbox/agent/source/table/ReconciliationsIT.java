package io.outboxinbox.agent.source.table;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.source.Sources;
import io.outboxinbox.agent.source.table.Reconciliations.Cause;
import io.outboxinbox.agent.source.table.Reconciliations.Report;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class ReconciliationsIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  /** The try that carried events over may end without an answer; the next has nothing to carry. */
  @Test
  void theNextTrySaysWhatTheOneBeforeHadToSay() throws Exception {
    PostgresDatabase database = postgres.newDatabase("04_agent");
    database.execute("INSERT INTO outbox_agent_source (source) VALUES ('s')");
    Reconciliations reconciliations = new Reconciliations(Sources.standard());
    Cause cause = new Cause("why", null);
    try (Connection connection = database.connect()) {
      reconciliations.begin(connection, "s", cause, "2 events wait twice");
      reconciliations.begin(connection, "s", cause, null);
      reconciliations.begin(connection, "s", cause, null);
      assertThat(reconciliations.list(connection, "s"))
          .extracting(Report::notes)
          .containsOnly("2 events wait twice");
      database.execute("UPDATE outbox_reconciliation SET state = 'publishing'");
      reconciliations.begin(connection, "s", cause, null);
      assertThat(reconciliations.last(connection, "s").orElseThrow().notes())
          .as("that one had gone further, and its notes are about what it found")
          .isNull();
    }
  }

  @Test
  void countsOnWhereTheSourcesRowWasLost() throws Exception {
    PostgresDatabase database = postgres.newDatabase("04_agent");
    database.execute("INSERT INTO outbox_agent_source (source) VALUES ('s')");
    Reconciliations reconciliations = new Reconciliations(Sources.standard());
    Cause cause = new Cause("why", null);
    try (Connection connection = database.connect()) {
      long before = reconciliations.begin(connection, "s", cause, null);
      database.execute(
          "DELETE FROM outbox_agent_source",
          "INSERT INTO outbox_agent_source (source) VALUES ('s')");
      assertThat(reconciliations.begin(connection, "s", cause, null)).isEqualTo(before + 1);
    }
  }
}
