package io.outboxinbox.inbox.kafka;

import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.Consumer;
import org.jspecify.annotations.Nullable;

/** The Kafka client on the class path. The application brings it, so it can be any version. */
final class KafkaClient {
  private static final int OLDEST_MAJOR = 3;
  private static final int OLDEST_MINOR = 9;

  /** In all clients. The class that reads it has another name since 4.4. */
  private static final String VERSION_FILE = "/kafka/kafka-version.properties";

  private static final Pattern VERSION = Pattern.compile("(\\d{1,6})\\.(\\d{1,6}).*");

  private KafkaClient() {}

  /** Refuses a client that lacks what we call: it would fail at the first message. */
  static void requireUsable(List<String> faults) {
    requireUsable(version(), faults);
  }

  /** A version that cannot be read, of a client that was repackaged perhaps, is let through. */
  static void requireUsable(@Nullable String version, List<String> faults) {
    Matcher parts = VERSION.matcher(version == null ? "" : version);
    if (parts.matches() && isTooOld(number(parts.group(1)), number(parts.group(2)))) {
      faults.add(
          "kafka-clients on the class path is "
              + version
              + ", must be 3.9 or later (run with 3.9, 4.0, 4.1, 4.3 and 4.4)");
    }
  }

  private static boolean isTooOld(int major, int minor) {
    return major < OLDEST_MAJOR || (major == OLDEST_MAJOR && minor < OLDEST_MINOR);
  }

  private static int number(String digits) {
    return Integer.parseInt(digits);
  }

  static @Nullable String version() {
    try (InputStream file = Consumer.class.getResourceAsStream(VERSION_FILE)) {
      if (file == null) {
        return null;
      }
      Properties properties = new Properties();
      properties.load(file);
      return properties.getProperty("version");
    } catch (IOException unreadable) {
      return null;
    }
  }
}
