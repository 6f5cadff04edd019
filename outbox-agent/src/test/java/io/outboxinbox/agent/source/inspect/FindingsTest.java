package io.outboxinbox.agent.source.inspect;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.event.WayOut;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

class FindingsTest {
  private final Logger logger = (Logger) LoggerFactory.getLogger(Findings.class);
  private final ListAppender<ILoggingEvent> log = new ListAppender<>();

  @BeforeEach
  void listen() {
    log.start();
    logger.addAppender(log);
  }

  @AfterEach
  void stopListening() {
    logger.detachAppender(log);
  }

  @Test
  void warnsEveryPipelineOnceOfWhatTheyShare() {
    List<Finding> shared = List.of(Finding.warning("rows may repeat", WayOut.RECONCILE));
    Findings one = new Findings("one");
    one.require(shared);
    one.require(shared);
    assertThat(log.list).hasSize(1);
    new Findings("other").require(shared);
    assertThat(log.list)
        .extracting(ILoggingEvent::getFormattedMessage)
        .satisfiesExactly(
            first -> assertThat(first).contains("--pipeline one "),
            second -> assertThat(second).contains("--pipeline other "));
  }

  /** Several things to mend are mended by what is printed, as it is copied from a log. */
  @Test
  void theWayOutOfSeveralFindingsRunsWhole() {
    List<Finding> findings =
        List.of(
            Finding.misconfigured("a", "GRANT a TO b"),
            Finding.misconfigured("b", "ALTER SYSTEM SET c = 1; /* then restart */"),
            Finding.misconfigured("c", "ALTER ROLE d REPLICATION;"),
            Finding.misconfigured("d", "GRANT a TO b"),
            Finding.misconfigured("e", "GRANT e TO f"));
    assertThatThrownBy(() -> Findings.refuse(findings))
        .hasMessageEndingWith(
            "; fix: GRANT a TO b; ALTER SYSTEM SET c = 1; /* then restart */ ALTER ROLE d REPLICATION; GRANT e TO f");
  }
}
