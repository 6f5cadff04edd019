package io.outboxinbox.agent.source.table;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.publish.Events;
import io.outboxinbox.agent.source.Sources;
import io.outboxinbox.testkit.PostgresDatabase;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Who may write a position, and what is left of it. */
class TablePositionsIT {
  private static final SourceIdentity SOURCE = new SourceIdentity("1", "db", "publication");
  private static final SourceIdentity FORMER = new SourceIdentity("0", "db", "publication");

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  private PostgresDatabase database;
  private Connection first;
  private Connection second;
  private TablePositions positions;

  @BeforeEach
  void setUp() throws SQLException {
    database = postgres.newDatabase();
    database.runScript("schema/postgresql/04_agent.sql");
    first = database.connect();
    second = database.connect();
    positions = new TablePositions(first, Sources.standard());
  }

  @AfterEach
  void tearDown() throws SQLException {
    first.close();
    second.close();
  }

  @Test
  void returnsWhatWasWrittenLastToWhoeverTakesOver() {
    assertThat(positions.takeOver(SOURCE)).isEmpty();
    positions.write(Events.checkpoint(SOURCE, 1));
    positions.write(Events.checkpoint(SOURCE, 2));
    TablePositions successor = new TablePositions(second, Sources.standard());
    assertThat(successor.takeOver(SOURCE)).contains(Events.checkpoint(SOURCE, 2));
    assertThat(successor.allCheckpoints()).containsExactly(Events.checkpoint(SOURCE, 2));
  }

  @Test
  void aLeaderThatWasReplacedWritesNoPosition() {
    positions.takeOver(SOURCE);
    positions.write(Events.checkpoint(SOURCE, 1));
    TablePositions successor = new TablePositions(second, Sources.standard());
    successor.takeOver(SOURCE);
    assertThatThrownBy(() -> positions.write(Events.checkpoint(SOURCE, 9)))
        .isInstanceOf(AgentException.Retryable.class)
        .hasMessageContaining("another agent's now");
    assertThatThrownBy(() -> positions.forget(SOURCE)).isInstanceOf(AgentException.Retryable.class);
    assertThat(successor.allCheckpoints()).containsExactly(Events.checkpoint(SOURCE, 1));
    successor.write(Events.checkpoint(SOURCE, 2));
    assertThat(successor.allCheckpoints()).containsExactly(Events.checkpoint(SOURCE, 2));
  }

  @Test
  void nobodyWritesWhatHeHasNotTakenOver() {
    assertThatThrownBy(() -> positions.write(Events.checkpoint(SOURCE, 1)))
        .isInstanceOf(AgentException.Retryable.class);
    assertThat(positions.allCheckpoints()).isEmpty();
  }

  /** A source that gets another id is both for a moment. */
  @Test
  void forgetsTheFormerIdOfASourceAfterTheNewOneHasItsPosition() {
    positions.takeOver(FORMER);
    positions.write(Events.checkpoint(FORMER, 7));
    positions.takeOver(SOURCE);
    positions.write(Events.checkpoint(SOURCE, 7));
    positions.forget(FORMER);
    assertThat(positions.allCheckpoints()).containsExactly(Events.checkpoint(SOURCE, 7));
    assertThat(positions.takeOver(FORMER)).isEmpty();
  }

  @Test
  void forgetsAFormerIdThatAnotherSessionHadTakenOver() {
    positions.takeOver(FORMER);
    positions.write(Events.checkpoint(FORMER, 7));
    TablePositions later = new TablePositions(second, Sources.standard());
    later.takeOver(SOURCE);
    later.forget(FORMER);
    later.forget(new SourceIdentity("2", "db", "never here"));
    assertThat(later.allCheckpoints()).isEmpty();
    Checkpoint late = Events.checkpoint(FORMER, 8);
    assertThatThrownBy(() -> positions.write(late)).isInstanceOf(AgentException.Retryable.class);
  }

  @Test
  void shutsOthersOutAlsoWhereItCannotReadWhatANewerAgentWrote() throws SQLException {
    positions.takeOver(SOURCE);
    database.execute("UPDATE outbox_agent_position SET checkpoint = '{\"version\": 99}'");
    TablePositions successor = new TablePositions(second, Sources.standard());
    assertThat(successor.allCheckpoints()).isEmpty();
    assertThatThrownBy(() -> successor.takeOver(SOURCE))
        .isInstanceOf(AgentException.Fatal.class)
        .hasMessageContaining("its version is 99");
    Checkpoint late = Events.checkpoint(SOURCE, 3);
    assertThatThrownBy(() -> positions.write(late)).isInstanceOf(AgentException.Retryable.class);
  }

  @Test
  void namesWhoeverHasLockedThePosition() throws SQLException {
    positions.takeOver(SOURCE);
    second.setAutoCommit(false);
    try (Statement ours = first.createStatement();
        Statement other = second.createStatement()) {
      ours.execute("SET lock_timeout = '1s'");
      other.execute("SELECT FROM outbox_agent_position FOR UPDATE");
      assertThatThrownBy(() -> positions.write(Events.checkpoint(SOURCE, 1)))
          .isInstanceOf(AgentException.Retryable.class)
          .hasMessageContaining("another session has locked")
          .hasMessageContaining("outbox_agent_position");
    }
    second.rollback();
    positions.write(Events.checkpoint(SOURCE, 1));
    assertThat(positions.allCheckpoints()).containsExactly(Events.checkpoint(SOURCE, 1));
  }

  @Test
  void saysWhichFileMakesAMissingTable() throws SQLException {
    database.execute("DROP TABLE outbox_agent_position");
    assertThatThrownBy(() -> positions.takeOver(SOURCE))
        .isInstanceOf(AgentException.Misconfigured.class)
        .hasMessageContaining("outbox_agent_position")
        .hasMessageContaining("04_agent.sql");
  }
}
