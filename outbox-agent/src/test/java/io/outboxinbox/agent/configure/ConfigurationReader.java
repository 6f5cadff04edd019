package io.outboxinbox.agent.configure;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.dropwizard.configuration.ConfigurationException;
import io.dropwizard.configuration.ConfigurationFactory;
import io.dropwizard.jackson.Jackson;
import io.dropwizard.jersey.validation.Validators;
import io.outboxinbox.agent.publish.kafka.KafkaConfiguration;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Reads configurations as the agent does, with an environment made up by the test. */
public final class ConfigurationReader {
  /** What a mapper and a validator learn of the types costs more than reading with them does. */
  private static final Map<Map<String, String>, ConfigurationFactory<AgentConfiguration>> KNOWN =
      new ConcurrentHashMap<>();

  private final ConfigurationFactory<AgentConfiguration> factory;

  public ConfigurationReader(Map<String, String> environment) {
    this.factory = KNOWN.computeIfAbsent(Map.copyOf(environment), ConfigurationReader::factory);
  }

  private static ConfigurationFactory<AgentConfiguration> factory(Map<String, String> environment) {
    ObjectMapper mapper = Jackson.newObjectMapper();
    mapper.registerSubtypes(KafkaConfiguration.class);
    return new StrictConfigurationFactory<>(
        AgentConfiguration.class,
        AgentConfiguration.DEFAULTS,
        Validators.newValidator(),
        mapper,
        environment::get);
  }

  public AgentConfiguration read(String yaml) throws IOException, ConfigurationException {
    return factory.build(
        path -> new ByteArrayInputStream(yaml.getBytes(StandardCharsets.UTF_8)), "agent.yml");
  }

  /** The faults without line numbers; empty if there are none. */
  public List<String> faultsOf(String yaml) throws IOException {
    try {
      read(yaml);
      return List.of();
    } catch (ConfigurationException e) {
      return e.getErrors().stream().map(line -> line.replaceAll(" \\(line \\d+\\)$", "")).toList();
    }
  }
}
