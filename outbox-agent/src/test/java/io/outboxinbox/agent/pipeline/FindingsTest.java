package io.outboxinbox.agent.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.outboxinbox.agent.event.Finding;
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
    List<Finding> shared = List.of(Finding.warning("the server is old", "renew it"));
    Findings one = new Findings();
    one.require(shared);
    one.require(shared);
    assertThat(log.list).hasSize(1);
    new Findings().require(shared);
    assertThat(log.list).hasSize(2);
  }
}
