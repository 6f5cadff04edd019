package io.outboxinbox.agent.configure;

import static io.outboxinbox.agent.configure.YamlDocument.join;

import com.fasterxml.jackson.databind.JavaType;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.introspect.BeanPropertyDefinition;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.dropwizard.util.DataSize;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Makes a tree ready for Jackson: fills in the {@code defaultValue} of each record component's
 * {@code @JsonProperty}, and translates what people write into what Jackson reads. May run again on
 * its own result.
 */
record TreePreparation(ObjectMapper mapper, FaultList faults) {
  private static final String BYTES_SUFFIX = "Bytes";

  /** Prepares a block whose keys are the type's properties. */
  void prepare(ObjectNode block, JavaType type, String path) {
    for (BeanPropertyDefinition property :
        mapper.getDeserializationConfig().introspect(type).findProperties()) {
      prepareKey(block, property, join(path, property.getName()));
    }
  }

  private void prepareKey(ObjectNode block, BeanPropertyDefinition property, String path) {
    String key = property.getName();
    JavaType type = property.getPrimaryType();
    if (block.path(key).isNull()) {
      // A key without a value, such as a block whose lines are all comments.
      block.remove(key);
    }
    convert(block, key, type, path);
    if (!block.has(key)) {
      @Nullable JsonNode value = defaultOf(property, type);
      if (value != null) {
        block.set(key, value);
        convert(block, key, type, path);
      }
    }
    @Nullable JsonNode value = block.get(key);
    if (value != null) {
      descend(value, type, path);
    }
  }

  private @Nullable JsonNode defaultOf(BeanPropertyDefinition property, JavaType type) {
    @Nullable String text = property.getMetadata().getDefaultValue();
    if (type.getRawClass().isRecord() || (text != null && type.isMapLikeType())) {
      return mapper.createObjectNode();
    }
    if (text == null) {
      return null;
    }
    return type.isCollectionLikeType()
        ? mapper.createArrayNode()
        : mapper.getNodeFactory().textNode(text);
  }

  private void convert(ObjectNode block, String key, JavaType type, String path) {
    @Nullable JsonNode value = block.get(key);
    if (value == null || !value.isTextual()) {
      return;
    }
    if (type.isEnumType()) {
      convertEnum(block, key, type, path);
    } else if (type.hasRawClass(long.class) && key.endsWith(BYTES_SUFFIX)) {
      convertSize(block, key, path);
    }
  }

  private void convertEnum(ObjectNode block, String key, JavaType type, String path) {
    String text = block.path(key).textValue();
    Optional<String> constant = constantNamed(text, type);
    if (constant.isPresent()) {
      block.put(key, constant.get());
      return;
    }
    block.remove(key);
    faults.add(path, "is %s; must be one of %s".formatted(text, String.join(", ", wordsOf(type))));
  }

  private void convertSize(ObjectNode block, String key, String path) {
    String text = block.path(key).textValue();
    try {
      block.put(key, DataSize.parse(text).toBytes());
    } catch (IllegalArgumentException e) {
      block.remove(key);
      faults.add(path, "is %s; must be a size with a unit, such as 64MiB".formatted(text));
    }
  }

  private static Optional<String> constantNamed(String text, JavaType type) {
    String wanted = text.strip().replace('-', '_').replace(' ', '_');
    return Arrays.stream(type.getRawClass().getEnumConstants())
        .map(constant -> ((Enum<?>) constant).name())
        .filter(wanted::equalsIgnoreCase)
        .findFirst();
  }

  private static List<String> wordsOf(JavaType enumType) {
    return Arrays.stream(enumType.getRawClass().getEnumConstants())
        .map(constant -> ((Enum<?>) constant).name().toLowerCase(Locale.ROOT).replace('_', '-'))
        .toList();
  }

  private void descend(JsonNode value, JavaType type, String path) {
    if (type.isCollectionLikeType()) {
      for (int i = 0; i < value.size(); i++) {
        descend(value.path(i), type.getContentType(), path + "[" + i + "]");
      }
    } else if (!(value instanceof ObjectNode block)) {
      return;
    } else if (type.isMapLikeType() && type.getKeyType().isEnumType()) {
      renameKeys(block, type.getKeyType(), path);
    } else if (type.getRawClass().isRecord()) {
      prepare(block, type, path);
    } else if (type.isInterface()) {
      KnownTypes.of(type, mapper)
          .classNamed(block.path(KnownTypes.KEY).asText())
          .filter(Class::isRecord)
          .ifPresent(chosen -> prepare(block, mapper.constructType(chosen), path));
    }
  }

  private void renameKeys(ObjectNode block, JavaType keyType, String path) {
    List<String> written = block.properties().stream().map(entry -> entry.getKey()).toList();
    for (String key : written) {
      JsonNode value = block.remove(key);
      Optional<String> constant = constantNamed(key, keyType);
      if (constant.isPresent()) {
        block.set(constant.get(), value);
      } else {
        List<String> valid = wordsOf(keyType).stream().map(word -> word.replace('-', '_')).toList();
        faults.add(join(path, key), "unknown key; " + NearestKey.hint(key, valid));
      }
    }
  }
}
