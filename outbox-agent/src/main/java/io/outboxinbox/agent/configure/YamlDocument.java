package io.outboxinbox.agent.configure;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.StringReader;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.Mark;
import org.yaml.snakeyaml.error.MarkedYAMLException;
import org.yaml.snakeyaml.error.YAMLException;
import org.yaml.snakeyaml.nodes.MappingNode;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.NodeTuple;
import org.yaml.snakeyaml.nodes.ScalarNode;
import org.yaml.snakeyaml.nodes.SequenceNode;
import org.yaml.snakeyaml.nodes.Tag;

/**
 * A YAML text as a tree, with the line and the original text of every key. Variables are replaced
 * in the values of the tree, not in the text: a password may hold any character, and comments may
 * hold anything.
 */
final class YamlDocument {
  /** Deeper than any configuration; stops a document that contains itself. */
  private static final int DEPTH_MAX = 32;

  private final Map<String, Integer> lines = new HashMap<>();
  private final Map<String, String> texts = new HashMap<>();
  private final Variables variables;
  private final FaultList faults;
  private ObjectNode root = JsonNodeFactory.instance.objectNode();

  private YamlDocument(Variables variables, FaultList faults) {
    this.variables = variables;
    this.faults = faults;
  }

  /** Reads as much of the text as can be read; the rest becomes faults. */
  static YamlDocument read(String text, Variables variables, FaultList faults) {
    YamlDocument document = new YamlDocument(variables, faults);
    try {
      @Nullable Node top = compose(text);
      if (top instanceof MappingNode mapping) {
        document.root = document.mapping(mapping, "", 0);
      } else if (top != null) {
        faults.add("", "must be a block of keys, such as pipelines:");
      }
    } catch (MarkedYAMLException e) {
      // Never its own message: that quotes the line, which may hold a secret.
      @Nullable Mark mark = e.getProblemMark();
      String where =
          mark == null
              ? ""
              : " at line %d, column %d".formatted(mark.getLine() + 1, mark.getColumn() + 1);
      faults.add("", "is not YAML: " + e.getProblem() + where);
    } catch (YAMLException e) {
      faults.add("", "is not YAML: " + e.getClass().getSimpleName());
    }
    return document;
  }

  private static @Nullable Node compose(String text) {
    return new Yaml(new SafeConstructor(new LoaderOptions())).compose(new StringReader(text));
  }

  ObjectNode root() {
    return root;
  }

  /** Where the path, or the nearest block around it, stands; 0 if the file does not have it. */
  int lineOf(String path) {
    for (String at = path; !at.isEmpty(); at = outer(at)) {
      @Nullable Integer line = lines.get(at);
      if (line != null) {
        return line;
      }
    }
    return 0;
  }

  /** What the file says there, before variables; null for blocks, lists and absent keys. */
  @Nullable String textAt(String path) {
    return texts.get(path);
  }

  private static String outer(String path) {
    int cut = Math.max(path.lastIndexOf('.'), path.lastIndexOf('['));
    return cut < 0 ? "" : path.substring(0, cut);
  }

  static String join(String path, String key) {
    return path.isEmpty() ? key : path + "." + key;
  }

  private ObjectNode mapping(MappingNode mapping, String path, int depth) {
    ObjectNode object = JsonNodeFactory.instance.objectNode();
    for (NodeTuple tuple : mapping.getValue()) {
      int line = tuple.getKeyNode().getStartMark().getLine() + 1;
      if (!(tuple.getKeyNode() instanceof ScalarNode key)) {
        faults.add(path, "has a key in line " + line + " that is not text");
        continue;
      }
      String at = join(path, key.getValue());
      @Nullable Integer before = lines.putIfAbsent(at, line);
      if (object.has(key.getValue())) {
        faults.add(at, "is written twice, lines %d and %d; keep one".formatted(before, line));
      } else {
        object.set(key.getValue(), value(tuple.getValueNode(), at, depth + 1));
      }
    }
    return object;
  }

  private JsonNode value(Node node, String path, int depth) {
    if (depth > DEPTH_MAX) {
      faults.add(path, "is nested deeper than " + DEPTH_MAX + " levels");
      return JsonNodeFactory.instance.nullNode();
    }
    if (node instanceof MappingNode mapping) {
      return mapping(mapping, path, depth);
    }
    if (node instanceof SequenceNode sequence) {
      return list(sequence.getValue(), path, depth);
    }
    return scalar((ScalarNode) node, path);
  }

  private ArrayNode list(List<Node> items, String path, int depth) {
    ArrayNode array = JsonNodeFactory.instance.arrayNode();
    for (int i = 0; i < items.size(); i++) {
      String at = path + "[" + i + "]";
      lines.put(at, items.get(i).getStartMark().getLine() + 1);
      array.add(value(items.get(i), at, depth + 1));
    }
    return array;
  }

  /** Always text: the type a key wants decides how it is read, not how it looks. */
  private JsonNode scalar(ScalarNode node, String path) {
    if (node.getTag().equals(Tag.NULL)) {
      return JsonNodeFactory.instance.nullNode();
    }
    texts.put(path, node.getValue());
    @Nullable String text =
        variables.replaceIn(node.getValue(), problem -> faults.add(path, problem));
    return text == null
        ? JsonNodeFactory.instance.nullNode()
        : JsonNodeFactory.instance.textNode(text);
  }
}
