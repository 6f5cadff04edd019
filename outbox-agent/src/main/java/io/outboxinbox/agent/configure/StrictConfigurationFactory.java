package io.outboxinbox.agent.configure;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.dropwizard.configuration.ConfigurationFactory;
import io.dropwizard.configuration.ConfigurationSourceProvider;
import jakarta.validation.ConstraintViolation;
import jakarta.validation.Path;
import jakarta.validation.Validator;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Builds a configuration and, where it cannot, names every fault at once: path, value, rule,
 * nearest valid key. Unlike Dropwizard's own factory it knows no overrides by system property: what
 * is in the file is what runs.
 *
 * @param <T> root of the configuration; its record blocks carry their defaults in
 *     {@code @JsonProperty(defaultValue)}
 */
public final class StrictConfigurationFactory<T> implements ConfigurationFactory<T> {
  private final Class<T> type;
  private final String defaults;
  private final Validator validator;
  private final ObjectMapper mapper;
  private final Variables variables;

  /**
   * Makes a factory.
   *
   * @param defaults YAML that applies where the file says nothing, for Dropwizard's own blocks
   * @param mapper knows the subtypes; copied, not changed
   * @param environment value of a variable, null when it is not set
   */
  public StrictConfigurationFactory(
      Class<T> type,
      String defaults,
      Validator validator,
      ObjectMapper mapper,
      UnaryOperator<@Nullable String> environment) {
    this.type = type;
    this.defaults = defaults;
    this.validator = validator;
    this.mapper =
        mapper
            .copy()
            .registerModule(new UnitModule())
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT);
    this.variables = new Variables(environment);
  }

  @Override
  public T build(ConfigurationSourceProvider provider, String path)
      throws IOException, ConfigurationFaults {
    return parse(path, read(provider, path));
  }

  @Override
  public T build() throws ConfigurationFaults {
    return parse("no configuration file given: the default configuration", "");
  }

  private static String read(ConfigurationSourceProvider provider, String path)
      throws IOException, ConfigurationFaults {
    try (InputStream in = provider.open(path)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (FileNotFoundException | NoSuchFileException e) {
      throw new ConfigurationFaults(
          path, List.of("file: cannot be opened; check path and permissions"));
    }
  }

  private T parse(String file, String text) throws ConfigurationFaults {
    FaultList faults = new FaultList();
    YamlDocument document = YamlDocument.read(text, variables, faults);
    ObjectNode root = document.root();
    DefaultTree.fill(root, YamlDocument.read(defaults, variables, faults).root());
    Optional<T> bound = new Binder(mapper, faults).bind(root, type);
    if (bound.isPresent()) {
      Map<String, JsonNode> nodes = byPath(root, "");
      for (ConstraintViolation<T> violation : validator.validate(bound.get())) {
        noteUnlessKnown(violation, nodes, document, faults);
      }
    }
    if (bound.isEmpty() || !faults.isEmpty()) {
      throw new ConfigurationFaults(file, faults.linesFor(document));
    }
    return bound.get();
  }

  private void noteUnlessKnown(
      ConstraintViolation<T> violation,
      Map<String, JsonNode> nodes,
      YamlDocument document,
      FaultList faults) {
    String path = pathOf(violation.getPropertyPath());
    if (faults.covers(path)) {
      return;
    }
    String rule = violation.getMessage();
    if (rule.startsWith("must ")) {
      @Nullable String written = document.textAt(path);
      boolean isVariable = written != null && written.contains("${");
      String value =
          written == null || isVariable
              ? Shown.value(path, nodes.getOrDefault(path, MissingNode.getInstance()))
              : Shown.text(path, written);
      rule = "is " + value + "; " + rule;
    }
    faults.add(path, rule);
  }

  private static String pathOf(Path violationPath) {
    StringBuilder path = new StringBuilder();
    for (Path.Node node : violationPath) {
      if (node.getIndex() != null) {
        path.append('[').append(node.getIndex()).append(']');
      } else if (node.getKey() != null) {
        path.append('.').append(node.getKey());
      }
      if (isNamed(node)) {
        path.append(path.isEmpty() ? "" : ".").append(node.getName());
      }
    }
    return path.toString();
  }

  /** The node of each path; keys may hold dots, so a path cannot be taken apart again. */
  private static Map<String, JsonNode> byPath(JsonNode node, String path) {
    Map<String, JsonNode> nodes = new HashMap<>();
    nodes.put(path, node);
    node.properties()
        .forEach(
            entry ->
                nodes.putAll(byPath(entry.getValue(), YamlDocument.join(path, entry.getKey()))));
    for (int i = 0; node.isArray() && i < node.size(); i++) {
      nodes.putAll(byPath(node.path(i), path + "[" + i + "]"));
    }
    return nodes;
  }

  /** Elements of lists and maps come with names in angle brackets, beans without. */
  private static boolean isNamed(Path.Node node) {
    return node.getName() != null && !node.getName().startsWith("<");
  }

  /** Puts default values where a tree has none. */
  private static final class DefaultTree {
    /** Keys every kind of a block understands, whatever its type. */
    private static final List<String> OF_ANY_TYPE = List.of("bindHost", "port");

    static void fill(ObjectNode tree, ObjectNode defaults) {
      boolean sameType =
          !tree.has(KnownTypes.KEY)
              || tree.path(KnownTypes.KEY).equals(defaults.path(KnownTypes.KEY));
      for (Map.Entry<String, JsonNode> entry : defaults.properties()) {
        if (!sameType && !OF_ANY_TYPE.contains(entry.getKey())) {
          continue;
        }
        JsonNode present = tree.path(entry.getKey());
        if (present.isMissingNode() || present.isNull()) {
          tree.set(entry.getKey(), entry.getValue().deepCopy());
        } else if (present instanceof ObjectNode block
            && entry.getValue() instanceof ObjectNode inner) {
          fill(block, inner);
        }
      }
    }
  }
}
