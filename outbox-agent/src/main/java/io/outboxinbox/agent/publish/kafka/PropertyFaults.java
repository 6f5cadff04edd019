package io.outboxinbox.agent.publish.kafka;

import io.outboxinbox.agent.event.Nearest;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.ConfigValue;

/** What is wrong with the client properties of a configuration, by property. */
final class PropertyFaults {
  private static final String LINGER_MS = ProducerConfig.LINGER_MS_CONFIG;
  private static final String MAX_REQUEST_SIZE = ProducerConfig.MAX_REQUEST_SIZE_CONFIG;
  private static final String BUFFER_MEMORY = ProducerConfig.BUFFER_MEMORY_CONFIG;

  /** Kafka's own default of max.request.size. */
  private static final int MAX_REQUEST_BYTES = 1_048_576;

  private PropertyFaults() {}

  /**
   * Looks without connecting. Values may be secrets, so none is repeated.
   *
   * @param lingerMillisMax what a send may wait for others and still be tried once
   */
  static Map<String, String> of(Map<String, String> properties, long lingerMillisMax) {
    Map<String, String> faults = new TreeMap<>();
    boolean hasPlugin = properties.keySet().stream().anyMatch(PropertyFaults::namesPlugin);
    for (String key : properties.keySet()) {
      String reason = OwnedProperties.REASONS.get(key);
      if (reason != null) {
        faults.put(key, "the agent sets this itself; remove it: " + reason);
      } else if (!OwnedProperties.PASSED_ON.contains(key)
          && !(hasPlugin && OwnedProperties.isSecurity(key))) {
        faults.put(key, "is no property the agent passes on; " + wayOut(key));
      }
    }
    ProducerConfig.configDef().validate(properties).stream()
        .filter(value -> OwnedProperties.PASSED_ON.contains(value.name()))
        .filter(value -> !value.errorMessages().isEmpty())
        .forEach(value -> faults.put(value.name(), rule(value)));
    if (!properties.getOrDefault(MAX_REQUEST_SIZE, "1").matches("[1-9][0-9]{0,8}")) {
      faults.put(MAX_REQUEST_SIZE, "must be a number of bytes, 1 to 999999999");
    }
    if (faults.isEmpty()) {
      addFaultsOfNumbers(properties, lingerMillisMax, faults);
    }
    return faults;
  }

  /** With a class of the operator's own come keys that only this class knows. */
  private static boolean namesPlugin(String key) {
    return OwnedProperties.isSecurity(key)
        && OwnedProperties.PASSED_ON.contains(key)
        && (key.endsWith(".class") || key.endsWith(".providers"));
  }

  private static String wayOut(String key) {
    return Nearest.of(key, OwnedProperties.PASSED_ON)
        .map(nearest -> "did you mean " + nearest + "?")
        .orElse(
            "remove it: allowed are security.*, sasl.*, ssl.*, compression.* and what else tunes connections and batches of a producer");
  }

  /** Kafka's own words, behind its repetition of key and value. */
  private static String rule(ConfigValue value) {
    String said = Objects.toString(value.errorMessages().get(0));
    String lead = "for configuration " + value.name() + ": ";
    int end = said.indexOf(lead);
    return "kafka refuses the value: "
        + (end < 0 ? "it cannot be read" : said.substring(end + lead.length()));
  }

  /** Limits that depend on each other; a producer that breaks one cannot be made at all. */
  private static void addFaultsOfNumbers(
      Map<String, String> properties, long lingerMillisMax, Map<String, String> faults) {
    long linger = Long.parseLong(properties.getOrDefault(LINGER_MS, "0").strip());
    if (linger > lingerMillisMax) {
      faults.put(
          LINGER_MS,
          "must be at most " + lingerMillisMax + ", or raise publish.transactionTimeout");
    }
    String buffer = properties.get(BUFFER_MEMORY);
    if (buffer != null && Long.parseLong(buffer.strip()) < maxRequestBytes(properties)) {
      faults.put(
          BUFFER_MEMORY,
          "must be at least " + maxRequestBytes(properties) + ", the largest record that is sent");
    }
  }

  static int maxRequestBytes(Map<String, String> properties) {
    String configured = properties.get(MAX_REQUEST_SIZE);
    return configured == null ? MAX_REQUEST_BYTES : Integer.parseInt(configured);
  }
}
