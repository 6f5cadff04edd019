package io.outboxinbox.agent.watch;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.slf4j.LoggerFactory;

class WalWatchIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  /** A valve that is stuck is one the operator has to know of: the disk fills behind it. */
  @Test
  void saysOnceWhyASlotThatHasUsedItsBudgetCannotBeLetGoOf() throws Exception {
    Logger logger = (Logger) LoggerFactory.getLogger(WalWatch.class);
    ListAppender<ILoggingEvent> log = new ListAppender<>();
    log.start();
    logger.addAppender(log);
    try (PipelineRig rig = new PipelineRig(postgres, kafka)) {
      Pipeline pipeline = rig.start("");
      rig.awaitLeading(pipeline);
      assertThat(pipeline.stop(Duration.ofSeconds(30))).isTrue();
      rig.execute(
          "SELECT pg_logical_emit_message(false, 'fill', repeat('x', 2097152))",
          "REVOKE SELECT ON outbox_agent_source FROM outbox_agent");
      WalWatch watch =
          new WalWatch(rig.wal("{budgetBytes: 1MiB, whenSpent: release}"), new KeptReport());
      try (watch) {
        watch.look();
        watch.look();
      }
      assertThat(warnings(log))
          .singleElement()
          .asString()
          .contains("cannot be let go of")
          .contains("permission denied for table outbox_agent_source");
    } finally {
      logger.detachAppender(log);
    }
  }

  private static List<String> warnings(ListAppender<ILoggingEvent> log) {
    return List.copyOf(log.list).stream()
        .map(ILoggingEvent::getFormattedMessage)
        .filter(line -> line.contains("let go"))
        .toList();
  }
}
