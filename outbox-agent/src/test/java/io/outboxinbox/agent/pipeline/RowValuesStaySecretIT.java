package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.ThrowableProxyUtil;
import ch.qos.logback.core.read.ListAppender;
import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.operate.DeskChange;
import io.outboxinbox.agent.operate.DeskFilter;
import io.outboxinbox.agent.operate.DeskSelection;
import io.outboxinbox.agent.operate.ParkedDesk;
import io.outboxinbox.agent.operate.ReconcileRequest;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.slf4j.LoggerFactory;

/** A statement of the agent that fails tells of no row's payload or headers. */
class RowValuesStaySecretIT {
  private static final String CANARY = "canary-4711";

  /** The payload as the server shows bytes. */
  private static final String CANARY_HEX = "63616e6172792d34373131";

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private static final List<String> TABLES =
      List.of(
          "outbox_agent_source",
          "outbox_backlog",
          "outbox_parked",
          "outbox_parked_edit",
          "outbox_reconciliation");

  private final ListAppender<ILoggingEvent> log = new ListAppender<>();
  private final Logger root = (Logger) LoggerFactory.getLogger("io.outboxinbox");

  @BeforeEach
  void listen() {
    log.start();
    root.addAppender(log);
  }

  @AfterEach
  void stopListening() {
    root.detachAppender(log);
  }

  @Test
  void aParkedEventThatCannotBeStoredIsInNoMessage() throws Exception {
    try (PipelineRig rig = new PipelineRig(postgres, kafka)) {
      rig.execute(
          "ALTER TABLE outbox_parked ADD CONSTRAINT takes_nothing CHECK (reason = 'never')");
      insert(rig, 1, "missing");
      Pipeline pipeline = rig.start("");
      rig.await(() -> pipeline.status().restarts() > 0);
      assertThat(pipeline.status().reason()).contains("takes_nothing");
      assertThatNothingTells(List.of(pipeline.status().toString()));
    }
  }

  /** The agent's way from first start to reconcile and purge, on which each write fails once. */
  @Test
  void noWriteThatFailsTellsWhatARowHolds() throws Exception {
    try (PipelineRig rig = new PipelineRig(postgres, kafka)) {
      List<String> told = new ArrayList<>();
      insert(rig, 4, null);
      insert(rig, 2, "missing");
      failEachWriteOnce(rig);
      Pipeline pipeline = rig.start("");
      rig.await(
          () -> {
            told.add(pipeline.status().toString());
            return rig.database.number("SELECT count(*) FROM outbox_parked") == 2;
          });
      rig.awaitLeading(pipeline);
      desk(rig, told, desk -> desk.edit(1, change(), "x", "x"));
      desk(rig, told, desk -> desk.discard(new DeskSelection.Ordinals(List.of(2L)), "x", "x"));
      desk(
          rig,
          told,
          desk -> desk.release(new DeskSelection.Ordinals(List.of(1L)), "x").taken().size());
      rig.await(
          () -> {
            told.add(pipeline.status().toString());
            return rig.database.number("SELECT count(*) FROM outbox_parked WHERE state = 'waiting'")
                == 0;
          });
      ReconcileRequest request = new ReconcileRequest(rig.configuration(""), "x");
      untilItGoes(told, () -> request.ask(null));
      rig.await(
          () -> {
            told.add(pipeline.status().toString());
            return rig.database.number(
                    "SELECT count(*) FROM outbox_reconciliation WHERE state = 'done'")
                == 1;
          });
      desk(rig, told, desk -> desk.purge(Duration.ZERO));
      assertThat(failed(rig))
          .contains(
              "outbox_agent_source INSERT",
              "outbox_agent_source UPDATE",
              "outbox_backlog INSERT",
              "outbox_backlog DELETE",
              "outbox_parked INSERT",
              "outbox_parked UPDATE",
              "outbox_parked DELETE",
              "outbox_parked_edit INSERT",
              "outbox_reconciliation INSERT",
              "outbox_reconciliation UPDATE");
      assertThat(told).anyMatch(text -> text.contains("SQLState 22P02"));
      assertThatNothingTells(told);
      assertThat(rig.consume()).hasSize(5);
    }
  }

  private static DeskChange change() {
    return new DeskChange(
        Map.of(), true, Map.of("h2", CANARY), List.of(), false, Map.of(), null, false);
  }

  private static void insert(PipelineRig rig, int rows, String topic) throws SQLException {
    rig.execute(
        "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, payload, headers,"
            + " topic) SELECT 'order', 'k' || n, 'placed', '\"%s\"', '{\"h\": \"%s\"}', %s"
                .formatted(CANARY, CANARY, topic == null ? "NULL" : "'" + topic + "'")
            + " FROM generate_series(1, "
            + rows
            + ") n");
  }

  /** Sequences remember what a rolled back transaction does not. */
  private static void failEachWriteOnce(PipelineRig rig) throws SQLException {
    rig.execute(
        """
        CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = public AS $$
        DECLARE
          held text := CASE TG_OP WHEN 'DELETE' THEN OLD::text ELSE NEW::text END;
        BEGIN
          IF nextval('failed_' || TG_TABLE_NAME || '_' || TG_OP) = 1 THEN
            RAISE EXCEPTION 'planned: %s', held
              USING ERRCODE = '22P02', DETAIL = held, HINT = held;
          END IF;
          RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
        END $$
        """
            .replace("%s", "%"));
    for (String table : TABLES) {
      for (String operation : List.of("INSERT", "UPDATE", "DELETE")) {
        rig.execute(
            "CREATE SEQUENCE failed_%s_%s".formatted(table, operation),
            "CREATE TRIGGER fail_%s BEFORE %1$s ON %s FOR EACH ROW EXECUTE FUNCTION fail_once()"
                .formatted(operation, table));
      }
    }
  }

  private static Set<String> failed(PipelineRig rig) throws SQLException {
    Set<String> failed = new TreeSet<>();
    for (String table : TABLES) {
      for (String operation : List.of("INSERT", "UPDATE", "DELETE")) {
        String sequence = "failed_%s_%s".formatted(table, operation);
        if (rig.database.number("SELECT last_value * is_called::int FROM " + sequence) > 0) {
          failed.add(table + " " + operation);
        }
      }
    }
    return failed;
  }

  private interface Asking {
    Object ask(ParkedDesk desk);
  }

  private static void desk(PipelineRig rig, List<String> told, Asking asking) throws Exception {
    PipelineConfiguration pipeline = rig.configuration("");
    try (ParkedDesk desk =
        ParkedDesk.open(
            pipeline.source(),
            new ParkedDesk.Templates(pipeline.route().topic(), pipeline.route().key()),
            30)) {
      untilItGoes(told, () -> asking.ask(desk));
      told.add(
          desk.list(DeskFilter.of(DeskFilter.State.ALL), 0, 10).stream()
              .map(entry -> String.valueOf(entry.reason()))
              .toList()
              .toString());
    }
  }

  private static void untilItGoes(List<String> told, Runnable asking) {
    for (int attempt = 0; ; attempt++) {
      try {
        asking.run();
        return;
      } catch (AgentException e) {
        told.add(e.getMessage());
        assertThat(attempt).as(e.toString()).isLessThan(10);
      }
    }
  }

  private void assertThatNothingTells(List<String> shown) {
    List<String> told = new ArrayList<>(shown);
    for (ILoggingEvent event : List.copyOf(log.list)) {
      told.add(event.getFormattedMessage());
      if (event.getThrowableProxy() != null) {
        told.add(ThrowableProxyUtil.asString(event.getThrowableProxy()));
      }
    }
    assertThat(told).isNotEmpty();
    assertThat(String.join("\n", told)).doesNotContain(CANARY).doesNotContain(CANARY_HEX);
  }
}
