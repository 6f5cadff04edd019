package io.outboxinbox.agent.watch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

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

  private static final String RELEASE = "{budgetBytes: 1MiB, whenSpent: release}";

  private static final String FILL =
      "SELECT pg_logical_emit_message(false, 'fill', repeat('x', 2097152))";

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
      rig.execute(FILL, "REVOKE SELECT ON outbox_agent_source FROM outbox_agent");
      WalWatch watch = new WalWatch(rig.wal(RELEASE), new KeptReport(), new KnownLead());
      try (watch) {
        look(watch, 2 * WalValve.LOOKS);
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

  /** Whoever relays rows and deletes them has nothing but the slot to bring them. */
  @Test
  void keepsTheSlotOfAnAgentThatBeginsWithASpentBudget() throws Exception {
    try (PipelineRig rig = new PipelineRig(postgres, kafka)) {
      Pipeline first = rig.start(rig.wal(RELEASE));
      rig.awaitLeading(first);
      rig.insert(0, 10);
      rig.awaitEvents(10);
      assertThat(first.stop(Duration.ofSeconds(20))).isTrue();
      rig.insert(10, 20);
      rig.execute("DELETE FROM outbox_event", FILL);
      Pipeline second = rig.start(rig.wal(RELEASE));
      rig.awaitLeading(second);
      rig.insert(20, 25);
      rig.awaitEvents(25);
      rig.assertThatEventsAreExactly(25);
    }
  }

  @Test
  void letsGoOfASlotOnlyWhenNobodyHasReadItForAMinuteOrIsAboutTo() throws Exception {
    try (PipelineRig rig = new PipelineRig(postgres, kafka)) {
      Pipeline pipeline = rig.start(rig.wal(RELEASE));
      rig.awaitLeading(pipeline);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      rig.execute(FILL);
      KnownLead own = new KnownLead();
      own.isReading = true;
      WalWatch watch = new WalWatch(rig.wal(RELEASE), new KeptReport(), own);
      try (watch) {
        look(watch, 2 * WalValve.LOOKS);
        assertThat(slots(rig)).as("this agent is about to read").isEqualTo("1");
        own.isReading = false;
        for (int look = 0; look < WalValve.LOOKS; look++) {
          rig.execute("UPDATE outbox_agent_source SET pulse = pulse + 1");
          look(watch, 1);
        }
        assertThat(slots(rig)).as("another one is").isEqualTo("1");
        rig.execute(
            "SELECT pg_replication_slot_advance('outbox_agent', pg_current_wal_lsn())", FILL);
        look(watch, WalValve.LOOKS - 1);
        assertThat(slots(rig)).as("somebody has read").isEqualTo("1");
        // Its own signs of life say nothing: it leads, and waits for the broker.
        own.pulsed =
            Long.parseLong(
                rig.query("UPDATE outbox_agent_source SET pulse = pulse + 1 RETURNING pulse"));
        look(watch, 1);
        assertThat(slots(rig)).as("nobody reads").isEqualTo("0");
        assertThat(rig.query("SELECT slot FROM outbox_agent_source"))
            .as("whoever makes one of that name now owns it")
            .isEmpty();
      }
    }
  }

  /** Before the broker has been reached, the version before has noted nothing that tells. */
  @Test
  void keepsASlotOfWhichNothingTellsThatItIsTheSourcesOwn() throws Exception {
    try (PipelineRig rig = new PipelineRig(postgres, kafka)) {
      Pipeline pipeline = rig.start(rig.wal(RELEASE));
      rig.awaitLeading(pipeline);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      rig.execute(FILL, "UPDATE outbox_agent_source SET slot = NULL");
      WalWatch watch = new WalWatch(rig.wal(RELEASE), new KeptReport(), new KnownLead());
      try (watch) {
        look(watch, 2 * WalValve.LOOKS);
        assertThat(slots(rig)).isEqualTo("1");
      }
    }
  }

  @Test
  void keepsTheSlotThatAnAgentOfTheSameNameIsAboutToRead() throws Exception {
    try (PipelineRig rig = new PipelineRig(postgres, kafka)) {
      Pipeline pipeline = rig.start(rig.wal(RELEASE));
      rig.awaitLeading(pipeline);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      rig.execute(FILL);
      WalWatch watch = new WalWatch(rig.wal(RELEASE), new KeptReport(), new KnownLead());
      try (watch) {
        for (int look = 0; look < 2 * WalValve.LOOKS; look++) {
          rig.execute("UPDATE outbox_agent_source SET pulse = pulse + 1, holder = 'relay/1'");
          look(watch, 1);
        }
        assertThat(slots(rig)).isEqualTo("1");
      }
    }
  }

  /** An orchestrator may start an agent again and again that cannot publish. */
  @Test
  void letsGoOfASlotThoughEachAgentLooksForLessThanAMinute() throws Exception {
    try (PipelineRig rig = new PipelineRig(postgres, kafka)) {
      Pipeline pipeline = rig.start(rig.wal(RELEASE));
      rig.awaitLeading(pipeline);
      assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
      rig.execute(FILL);
      WalWatch early = new WalWatch(rig.wal(RELEASE), new KeptReport(), new KnownLead());
      try (early) {
        look(early, WalValve.LOOKS_AFTER_A_MINUTE + 1);
        assertThat(slots(rig)).as("nobody has read it for seconds").isEqualTo("1");
      }
      await()
          .atMost(Duration.ofMinutes(2))
          .until(
              () ->
                  rig.query(
                          "SELECT inactive_since < now() - interval '1 minute' FROM pg_replication_slots WHERE slot_name = 'outbox_agent'")
                      .equals("t"));
      WalWatch watch = new WalWatch(rig.wal(RELEASE), new KeptReport(), new KnownLead());
      try (watch) {
        look(watch, WalValve.LOOKS_AFTER_A_MINUTE);
        assertThat(slots(rig)).as("its own start may be in between").isEqualTo("1");
        look(watch, 1);
        assertThat(slots(rig)).isEqualTo("0");
      }
    }
  }

  private static final class KnownLead implements OwnLead {
    private volatile boolean isReading;
    private volatile long pulsed = -1;

    @Override
    public boolean isReading() {
      return isReading;
    }

    @Override
    public boolean isStopped() {
      return false;
    }

    @Override
    public boolean hasPulsed(String source, long number) {
      return number == pulsed;
    }
  }

  private static void look(WalWatch watch, int times) {
    for (int look = 0; look < times; look++) {
      watch.look();
    }
  }

  private static String slots(PipelineRig rig) throws Exception {
    return rig.query("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'outbox_agent'");
  }

  private static List<String> warnings(ListAppender<ILoggingEvent> log) {
    return List.copyOf(log.list).stream()
        .map(ILoggingEvent::getFormattedMessage)
        .filter(line -> line.contains("let go"))
        .toList();
  }
}
