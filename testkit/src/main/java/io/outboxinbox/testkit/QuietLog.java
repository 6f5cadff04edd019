package io.outboxinbox.testkit;

import java.util.List;
import org.slf4j.LoggerFactory;

/**
 * Keeps Kafka's hundreds of INFO lines per start out of the test's output. Only logback is told so,
 * because without a configuration it prints everything down to DEBUG; a level that somebody has set
 * stays.
 */
final class QuietLog {
  private static final List<String> LOGGERS =
      List.of("kafka", "org.apache.kafka", "state.change.logger");

  private QuietLog() {}

  static void ofKafka() {
    // By name, because logback may not be on the class path.
    String backEnd = LoggerFactory.getILoggerFactory().getClass().getName();
    if ("ch.qos.logback.classic.LoggerContext".equals(backEnd)) {
      Logback.raiseToWarn();
    }
  }

  /** Loaded only where logback is. */
  private static final class Logback {
    private Logback() {}

    static void raiseToWarn() {
      for (String name : LOGGERS) {
        var logger = (ch.qos.logback.classic.Logger) LoggerFactory.getLogger(name);
        if (logger.getLevel() == null) {
          logger.setLevel(ch.qos.logback.classic.Level.WARN);
        }
      }
    }
  }
}
