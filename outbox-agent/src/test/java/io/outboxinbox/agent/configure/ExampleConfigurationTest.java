package io.outboxinbox.agent.configure;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import io.outboxinbox.agent.publish.PublishConfiguration;
import io.outboxinbox.agent.publish.kafka.KafkaConfiguration;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The files in config/ are what people start from: they must work, be complete and be true. */
class ExampleConfigurationTest {
  private static final Path CONFIG = Path.of("..", "config");
  private static final Path EXAMPLE = CONFIG.resolve("agent.example.yml");
  private static final int MINIMAL_LINES_MAX = 15;

  private final ConfigurationReader reader =
      new ConfigurationReader(Map.of("OUTBOX_DB_PASSWORD", "pw"));
  private final ObjectMapper yaml = new ObjectMapper(new YAMLFactory());

  @Test
  void examplesAreAccepted() throws Exception {
    for (String file : List.of("agent.example.yml", "agent.minimal.yml")) {
      String text = Files.readString(CONFIG.resolve(file));
      assertThat(reader.faultsOf(text)).as(file).isEmpty();
    }
  }

  @Test
  void minimalAndExampleMeanTheSame() throws Exception {
    PipelineConfiguration example = reader.read(Files.readString(EXAMPLE)).pipelines().get(0);
    PipelineConfiguration minimal =
        reader.read(Files.readString(CONFIG.resolve("agent.minimal.yml"))).pipelines().get(0);
    assertThat(example).isEqualTo(minimal);
    assertThat(Files.readAllLines(CONFIG.resolve("agent.minimal.yml")))
        .hasSizeLessThan(MINIMAL_LINES_MAX);
  }

  @Test
  void everyKeyOfARecordIsInTheExampleWithItsDefaultAndAComment() throws Exception {
    JsonNode pipeline = yaml.readTree(EXAMPLE.toFile()).path("pipelines").path(0);
    checkBlock(PipelineConfiguration.class, pipeline, Files.readAllLines(EXAMPLE));
  }

  private static void checkBlock(Class<?> type, JsonNode block, List<String> lines) {
    for (RecordComponent key : type.getRecordComponents()) {
      Class<?> keyType =
          key.getType() == PublishConfiguration.class ? KafkaConfiguration.class : key.getType();
      JsonNode value = block.path(key.getName());
      int line = lineOf(key.getName(), lines);
      assertThat(line).as("%s of %s has a line", key.getName(), type).isPositive();
      if (keyType.isRecord()) {
        checkBlock(keyType, value, lines);
        continue;
      }
      JsonProperty property = key.getAccessor().getAnnotation(JsonProperty.class);
      String stated = value.isContainerNode() ? value.toString() : value.asText();
      if (property != null && !property.defaultValue().isEmpty()) {
        assertThat(stated).as("default of %s", key.getName()).isEqualTo(property.defaultValue());
        assertThat(lines.get(line - 1).strip()).as("comment above %s", key).startsWith("#");
      } else if (!value.isMissingNode()) {
        assertThat(lines.get(line)).as("%s has no default", key.getName()).endsWith("# CHANGE");
      }
    }
  }

  private static int lineOf(String key, List<String> lines) {
    for (int i = 0; i < lines.size(); i++) {
      if (lines.get(i).matches("\\s+(- )?(# )?" + key + ":( .*)?")) {
        return i;
      }
    }
    return -1;
  }

  @Test
  void serverAndLoggingInTheExampleAreTheDefaults() throws Exception {
    JsonNode example = yaml.readTree(EXAMPLE.toFile());
    JsonNode defaults = yaml.readTree(AgentConfiguration.DEFAULTS);
    for (String path :
        List.of(
            "/server/connector/bindHost",
            "/server/connector/port",
            "/logging/level",
            "/logging/loggers/io.outboxinbox")) {
      assertThat(example.at(path)).as(path).isEqualTo(defaults.at(path)).isNotNull();
    }
  }
}
