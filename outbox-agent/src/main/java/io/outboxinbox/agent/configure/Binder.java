package io.outboxinbox.agent.configure;

import static io.outboxinbox.agent.configure.YamlDocument.join;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.JsonMappingException.Reference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.exc.InvalidTypeIdException;
import com.fasterxml.jackson.databind.exc.MismatchedInputException;
import com.fasterxml.jackson.databind.exc.UnrecognizedPropertyException;
import com.fasterxml.jackson.databind.exc.ValueInstantiationException;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.dropwizard.util.DataSize;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Binds a tree to a type and gathers every fault: Jackson stops at the first, so the faulty node is
 * noted, taken out, and the rest is bound again.
 */
final class Binder {
  /** Ends the search in a file that is nothing but faults; nobody reads more at once. */
  private static final int FAULTS_MAX = 200;

  private final ObjectMapper mapper;
  private final FaultList faults;
  private final TreePreparation preparation;

  Binder(ObjectMapper mapper, FaultList faults) {
    this.mapper = mapper;
    this.faults = faults;
    this.preparation = new TreePreparation(mapper, faults);
  }

  /** The bound object, with defaults where faults were; empty if not even that can be made. */
  <T> Optional<T> bind(ObjectNode root, Class<T> type) {
    for (int i = 0; i < FAULTS_MAX; i++) {
      preparation.prepare(root, mapper.constructType(type), "");
      try {
        return Optional.of(mapper.treeToValue(root, type));
      } catch (JsonMappingException e) {
        note(e, root);
        if (!takeOut(root, e.getPath())) {
          return Optional.empty();
        }
      } catch (JsonProcessingException e) {
        faults.add("", "cannot be read: " + e.getClass().getSimpleName());
        return Optional.empty();
      }
    }
    return Optional.empty();
  }

  private void note(JsonMappingException e, JsonNode root) {
    String path = pathOf(e.getPath());
    if (e instanceof UnrecognizedPropertyException unknown) {
      List<String> valid = unknown.getKnownPropertyIds().stream().map(String::valueOf).toList();
      faults.add(path, "unknown key; " + NearestKey.hint(unknown.getPropertyName(), valid));
    } else if (e instanceof InvalidTypeIdException wrongType) {
      faults.add(join(path, KnownTypes.KEY), wrongTypeId(wrongType));
    } else {
      String shown = Shown.value(path, nodeAt(root, e.getPath()));
      faults.add(path, "is " + shown + "; must be " + wanted(e));
    }
  }

  private String wrongTypeId(InvalidTypeIdException e) {
    @Nullable String written = e.getTypeId();
    return "is %s; must be one of %s"
        .formatted(
            written == null ? "missing" : written,
            String.join(", ", KnownTypes.of(e.getBaseType(), mapper).names()));
  }

  private static String wanted(JsonMappingException e) {
    if (e instanceof ValueInstantiationException broken) {
      return name(broken.getType().getRawClass());
    }
    if (e instanceof MismatchedInputException mismatch && mismatch.getTargetType() != null) {
      return name(mismatch.getTargetType());
    }
    return "another kind of value";
  }

  private static String name(Class<?> type) {
    if (type == Duration.class || type == io.dropwizard.util.Duration.class) {
      return "a duration with a unit, such as 30s";
    }
    if (type == DataSize.class) {
      return "a size with a unit, such as 64MiB";
    }
    if (type == boolean.class || type == Boolean.class) {
      return "true or false";
    }
    if (type.isPrimitive() || Number.class.isAssignableFrom(type)) {
      return "a whole number that fits";
    }
    if (type == String.class || type.isEnum()) {
      return "a single value";
    }
    if (java.nio.file.Path.class.isAssignableFrom(type)) {
      return "the path of a file";
    }
    return Collection.class.isAssignableFrom(type) ? "a list" : "a block of keys";
  }

  private static String pathOf(List<Reference> references) {
    StringBuilder path = new StringBuilder();
    for (Reference reference : references) {
      if (reference.getIndex() >= 0) {
        path.append('[').append(reference.getIndex()).append(']');
      } else {
        path.append(path.isEmpty() ? "" : ".").append(reference.getFieldName());
      }
    }
    return path.toString();
  }

  private static JsonNode nodeAt(JsonNode root, List<Reference> references) {
    JsonNode node = root;
    for (Reference reference : references) {
      node =
          reference.getIndex() >= 0
              ? node.path(reference.getIndex())
              : node.path(Objects.requireNonNullElse(reference.getFieldName(), ""));
    }
    return node;
  }

  /** Whether there was something to take out; if not, trying again would find the same fault. */
  private static boolean takeOut(JsonNode root, List<Reference> references) {
    if (references.isEmpty()) {
      return false;
    }
    Reference last = references.get(references.size() - 1);
    JsonNode parent = nodeAt(root, references.subList(0, references.size() - 1));
    if (parent instanceof ArrayNode array && array.has(last.getIndex())) {
      // Emptied, not removed: the places of its neighbours are part of their names.
      boolean wasText = array.path(last.getIndex()).isValueNode();
      array.set(last.getIndex(), wasText ? array.objectNode() : array.textNode(""));
      return true;
    }
    return parent instanceof ObjectNode object && object.remove(last.getFieldName()) != null;
  }
}
