package io.outboxinbox.agent;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import io.outboxinbox.agent.configure.AgentConfiguration;
import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.pipeline.PipelineStatus;
import io.outboxinbox.agent.publish.PublishConfiguration;
import io.outboxinbox.agent.publish.kafka.KafkaConfiguration;
import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.TopicConfig;

/** The names that are in the sources of all modules, so that no list of them has to be kept. */
final class SourceNames {
  private static final String METRIC_PREFIX = "outbox_agent_";

  /** Comments may name what is gone. */
  private static final Pattern COMMENT = Pattern.compile("(?ms)/\\*.*?\\*/|^\\s*//.*?$");

  private static final Pattern TYPE =
      Pattern.compile("\\b(?:class|interface|record|enum) ([A-Z]\\w*)");
  private static final Pattern IMPORT = Pattern.compile("(?m)^import (?:static )?([\\w.]+);");
  private static final Pattern WORD = Pattern.compile("\\w+");
  private static final Pattern OPTION = Pattern.compile("--[a-z][a-z-]+");
  private static final Pattern OPTION_BY_CONSTANT = Pattern.compile("\"--\" \\+ ([A-Z_]+)");
  private static final Pattern ALERT = Pattern.compile("- alert: (\\w+)");
  private static final Pattern SOAK = Pattern.compile("(?m)^([a-z]+)\\(\\) \\{");
  private static final Pattern ACTION = Pattern.compile("action\\(\\s*actions, \"([a-z]+)\"");

  /** Each type of ours, with the source of the file it is in. */
  private final Map<String, String> types = new HashMap<>();

  /** Types that sources of ours use, and alerts, which are named like them. */
  private final Set<String> used = new HashSet<>();

  /** All words but those of comments; those of programs alone, and of the SQL. */
  private final Set<String> words = new HashSet<>();

  private final Set<String> programWords = new HashSet<>();
  private final Set<String> options = new HashSet<>();
  private final Set<String> actions = new HashSet<>();

  /** Paths of the configuration and of {@code /status}. */
  private final Set<String> keys = new HashSet<>();

  private final Set<String> kafkas = new HashSet<>();
  private final Set<String> soaks = new HashSet<>();
  private final StringBuilder texts = new StringBuilder();

  /** Where the agent's metrics are named. */
  private final StringBuilder observing = new StringBuilder();

  private SourceNames() {}

  static SourceNames read() throws IOException {
    SourceNames names = new SourceNames();
    for (Path file : Documents.files(".java")) {
      String name = file.getFileName().toString();
      if (name.startsWith("DocumentedNames")) {
        names.used.add(name.replace(".java", ""));
        continue; // What is in there are wrong names, to be found, and names of others.
      }
      String source = COMMENT.matcher(Files.readString(file)).replaceAll("");
      String path = file.toString().replace('\\', '/');
      names.addJava(source);
      names.addText(source, path.contains("/src/main/"));
      if (path.contains("/src/main/java/io/outboxinbox/agent/observe/")) {
        names.observing.append(source);
      }
    }
    for (Path file : Documents.files(".sql")) {
      names.addText(Files.readString(file), true);
    }
    for (Path file :
        Documents.files(".yml", ".xml", ".txt", "soak", "run", "quickstart", "Dockerfile")) {
      String text = Files.readString(file);
      names.addText(text, false);
      OPTION.matcher(text).results().forEach(found -> names.options.add(found.group()));
      ALERT.matcher(text).results().forEach(found -> names.used.add(found.group(1)));
    }
    SOAK.matcher(Files.readString(Documents.ROOT.resolve("e2e/soak")))
        .results()
        .forEach(found -> names.soaks.add(found.group(1)));
    names.addKeys("", PipelineConfiguration.class);
    names.addKeys("", PipelineStatus.class);
    names.addKeys("", new ObjectMapper(new YAMLFactory()).readTree(AgentConfiguration.DEFAULTS));
    names.addKafkas();
    return names;
  }

  private void addJava(String source) {
    TYPE.matcher(source)
        .results()
        .forEach(type -> types.merge(type.group(1), source, String::concat));
    IMPORT
        .matcher(source)
        .results()
        .flatMap(found -> Arrays.stream(found.group(1).split("\\.")))
        .filter(part -> Character.isUpperCase(part.charAt(0)))
        .forEach(used::add);
    OPTION.matcher(source).results().forEach(found -> options.add(found.group()));
    OPTION_BY_CONSTANT
        .matcher(source)
        .results()
        .flatMap(
            found ->
                Pattern.compile(" " + found.group(1) + " = \"([a-z-]+)\"")
                    .matcher(source)
                    .results())
        .forEach(value -> options.add("--" + value.group(1)));
    ACTION.matcher(source).results().forEach(found -> actions.add(found.group(1)));
  }

  private void addText(String text, boolean isProgram) {
    texts.append(text).append('\n');
    WORD.matcher(text)
        .results()
        .forEach(
            word -> {
              words.add(word.group());
              if (isProgram) {
                programWords.add(word.group());
              }
            });
  }

  private void addKeys(String path, Class<?> block) {
    for (RecordComponent key : block.getRecordComponents()) {
      keys.add(path + key.getName());
      Class<?> type =
          key.getType() == PublishConfiguration.class ? KafkaConfiguration.class : key.getType();
      if (type.isRecord()) {
        addKeys(path + key.getName() + ".", type);
      }
    }
  }

  private void addKeys(String path, JsonNode block) {
    block
        .properties()
        .forEach(
            key -> {
              keys.add(path + key.getKey());
              addKeys(path + key.getKey() + ".", key.getValue());
            });
  }

  private void addKafkas() {
    kafkas.addAll(ProducerConfig.configNames());
    kafkas.addAll(ConsumerConfig.configNames());
    for (Field field : TopicConfig.class.getFields()) {
      try {
        kafkas.add(String.valueOf(field.get(null)));
      } catch (IllegalAccessException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  boolean hasType(String name) {
    return types.containsKey(name)
        || used.contains(name)
        || isThere("java.lang." + name)
        || isThere("org.apache.kafka.common.errors." + name);
  }

  private static boolean isThere(String type) {
    try {
      Class.forName(type, false, SourceNames.class.getClassLoader());
      return true;
    } catch (ClassNotFoundException e) {
      return false;
    }
  }

  /** Members of types that are not ours are taken as they are. */
  boolean hasMember(String type, String member) {
    String source = types.get(type);
    if (source == null) {
      return hasType(type);
    }
    boolean isTest = type.matches(".*(Test|IT|Contract|Properties)");
    return isTest
        ? source.contains(" " + member + "(")
        : Pattern.compile("\\b" + member + "\\b").matcher(source).find();
  }

  boolean hasWord(String word) {
    return words.contains(word);
  }

  /** Whether a program or the SQL knows a table, function, column, rule, header or role of ours. */
  boolean hasOurs(String name) {
    return programWords.contains(name) || hasMetric(name);
  }

  /** The agent's are written by its own hand, those of the library by Micrometer. */
  private boolean hasMetric(String name) {
    String family = name.startsWith(METRIC_PREFIX) ? name.substring(METRIC_PREFIX.length()) : "";
    boolean isAgents = !family.isEmpty() && observing.indexOf('"' + family + '"') >= 0;
    return isAgents || hasLiteral(name.replaceFirst("_", "."));
  }

  boolean hasKey(String path) {
    return keys.contains(path);
  }

  /** Whether a key has this name, in whatever block. */
  boolean hasKeyNamed(String name) {
    return keys.stream().anyMatch(key -> key.equals(name) || key.endsWith("." + name));
  }

  /** A name with dots that is no key: a setting of tests, a property of Kafka, a column. */
  boolean hasDotted(String name) {
    int dot = name.indexOf('.');
    String table = name.substring(0, dot);
    boolean isColumn =
        table.startsWith("outbox_") && hasOurs(table) && hasWord(name.substring(dot + 1));
    return isColumn
        || kafkas.contains(name)
        || hasLiteral(name)
        || texts.indexOf("package " + name + ";") >= 0;
  }

  boolean hasLiteral(String text) {
    return texts.indexOf('"' + text + '"') >= 0 || texts.indexOf('"' + text + '=') >= 0;
  }

  boolean hasOption(String option) {
    return options.contains(option);
  }

  /** Whether {@code e2e/soak} knows it. */
  boolean hasSoak(String name) {
    return soaks.contains(name);
  }

  /** Whether {@code parked} knows it. */
  boolean hasAction(String action) {
    return actions.contains(action);
  }

  /** Whether a file is there, seen from the root, a module, or the agent's package. */
  boolean hasFile(String path) {
    Path agent = Path.of("src/main/java/io/outboxinbox/agent");
    List<Path> folders =
        List.of(
            Documents.ROOT,
            agent,
            Documents.ROOT.resolve("config"),
            Documents.ROOT.resolve("e2e"),
            Documents.ROOT.resolve("schema"),
            Documents.ROOT.resolve("schema/postgresql"));
    return path.matches("[\\w./-]+")
        && !path.startsWith("/")
        && folders.stream().anyMatch(folder -> Files.exists(folder.resolve(path)));
  }
}
