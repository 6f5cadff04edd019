package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.ThrowableProxyUtil;
import ch.qos.logback.core.read.ListAppender;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.util.ArrayList;
import java.util.List;
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

  @Test
  void aParkedEventThatCannotBeStoredIsInNoMessage() throws Exception {
    ListAppender<ILoggingEvent> log = new ListAppender<>();
    log.start();
    Logger root = (Logger) LoggerFactory.getLogger("io.outboxinbox");
    root.addAppender(log);
    try (PipelineRig rig = new PipelineRig(postgres, kafka)) {
      rig.execute(
          "ALTER TABLE outbox_parked ADD CONSTRAINT takes_nothing CHECK (reason = 'never')",
          "INSERT INTO outbox_event (aggregate_type, aggregate_id, event_type, payload, headers,"
              + " topic) VALUES ('order', 'k', 'placed', '\"%s\"', '{\"h\": \"%s\"}', 'missing')"
                  .formatted(CANARY, CANARY));
      Pipeline pipeline = rig.start("");
      rig.await(() -> pipeline.status().restarts() > 0);
      assertThat(pipeline.status().reason()).contains("takes_nothing");
      assertThat(told(log, pipeline)).isNotEmpty();
      assertThat(String.join("\n", told(log, pipeline)))
          .doesNotContain(CANARY)
          .doesNotContain(CANARY_HEX);
    } finally {
      root.detachAppender(log);
    }
  }

  private static List<String> told(ListAppender<ILoggingEvent> log, Pipeline pipeline) {
    List<String> told = new ArrayList<>(List.of(pipeline.status().toString()));
    for (ILoggingEvent event : List.copyOf(log.list)) {
      told.add(event.getFormattedMessage());
      if (event.getThrowableProxy() != null) {
        told.add(ThrowableProxyUtil.asString(event.getThrowableProxy()));
      }
    }
    return told;
  }
}
