package io.outboxinbox.agent.publish.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.dropwizard.validation.BaseValidator;
import jakarta.validation.Validator;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.junit.jupiter.api.Test;

/** Which properties of Kafka's clients an operator may set. */
class KafkaPropertiesTest {
  private final Validator validator = BaseValidator.newValidator();

  private static KafkaConfiguration with(Map<String, String> properties) {
    return new KafkaConfiguration(
        "localhost:9092", "positions", (short) 1, Duration.ofSeconds(20), properties);
  }

  private List<String> faults(Map<String, String> properties) {
    return validator.validate(with(properties)).stream()
        .map(fault -> fault.getPropertyPath() + ": " + fault.getMessage())
        .sorted()
        .toList();
  }

  private List<String> faults(String key, String value) {
    return faults(Map.of(key, value));
  }

  @Test
  void refusesWhatWouldSpreadAKeyOverPartitions() {
    assertThat(faults("partitioner.ignore.keys", "true"))
        .singleElement()
        .asString()
        .contains("partitioner.ignore.keys", "order per key rests on");
    assertThat(
            faults("partitioner.class", "org.apache.kafka.clients.producer.RoundRobinPartitioner"))
        .hasSize(1);
  }

  /** A new version of Kafka brings new properties, and each may touch a promise. */
  @Test
  void decidesOnEveryPropertyOfAProducer() {
    Set<String> undecided = new TreeSet<>(ProducerConfig.configNames());
    undecided.removeAll(OwnedProperties.REASONS.keySet());
    undecided.removeAll(OwnedProperties.PASSED_ON);
    assertThat(undecided).isEmpty();
    assertThat(OwnedProperties.REASONS.keySet())
        .doesNotContainAnyElementsOf(OwnedProperties.PASSED_ON);
    assertThat(OwnedProperties.REASONS.keySet())
        .allSatisfy(key -> assertThat(faults(key, "true")).as(key).isNotEmpty());
  }

  @Test
  void namesTheNearestKeyForOneItDoesNotKnow() {
    assertThat(faults("compresion.type", "lz4"))
        .singleElement()
        .asString()
        .contains("compresion.type", "did you mean compression.type?");
    assertThat(faults("sasl.mechansim", "PLAIN"))
        .singleElement()
        .asString()
        .contains("did you mean sasl.mechanism?");
    assertThat(faults("fetch.max.bytes", "1"))
        .singleElement()
        .asString()
        .contains("is no property the agent passes on");
  }

  @Test
  void letsALoginClassOfYourOwnHaveKeysOfItsOwn() {
    assertThat(
            faults(
                Map.of(
                    "sasl.login.callback.handler.class",
                    "org.apache.kafka.common.security.authenticator.SaslClientCallbackHandler",
                    "sasl.login.example.tenant",
                    "shop")))
        .isEmpty();
    assertThat(faults("sasl.login.example.tenant", "shop")).hasSize(1);
  }

  @Test
  void findsValuesKafkaWouldRefuseAtEveryStart() {
    assertThat(faults("compression.type", "zap"))
        .singleElement()
        .asString()
        .contains("compression.type", "must be one of: none, gzip, snappy, lz4, zstd");
    assertThat(faults("batch.size", "-1")).singleElement().asString().contains("at least 0");
    assertThat(faults("linger.ms", "many")).singleElement().asString().contains("linger.ms");
    assertThat(faults("linger.ms", "9000"))
        .as("longer than a send may take")
        .singleElement()
        .asString()
        .contains("must be at most 8333");
    assertThat(faults("buffer.memory", "1000"))
        .as("less than the largest record")
        .singleElement()
        .asString()
        .contains("must be at least 1048576");
    assertThat(faults("max.request.size", "2GB")).hasSize(1);
  }

  @Test
  void takesWhatInstallationsNeed() {
    assertThat(
            faults(
                Map.of(
                    "security.protocol", "SASL_SSL",
                    "sasl.mechanism", "SCRAM-SHA-512",
                    "sasl.jaas.config", "x",
                    "ssl.truststore.location", "/etc/ca.p12",
                    "compression.type", "zstd",
                    "compression.zstd.level", "3",
                    "linger.ms", "20",
                    "client.dns.lookup", "use_all_dns_ips",
                    "max.request.size", "4194304")))
        .isEmpty();
  }

  @Test
  void connectsAllItsClientsAlike() {
    KafkaConfiguration kafka =
        with(Map.of("client.dns.lookup", "use_all_dns_ips", "linger.ms", "20"));
    assertThat(List.of(kafka.adminProperties(), kafka.consumerProperties()))
        .allSatisfy(
            client ->
                assertThat(client)
                    .containsEntry("client.dns.lookup", "use_all_dns_ips")
                    .doesNotContainKey("linger.ms"));
  }
}
