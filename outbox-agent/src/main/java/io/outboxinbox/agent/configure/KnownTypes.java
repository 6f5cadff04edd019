package io.outboxinbox.agent.configure;

import com.fasterxml.jackson.databind.DeserializationConfig;
import com.fasterxml.jackson.databind.JavaType;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.introspect.AnnotatedClassResolver;
import com.fasterxml.jackson.databind.jsontype.NamedType;
import java.util.Collection;
import java.util.List;
import java.util.Optional;

/** The choices for a block that tells by its {@code type} what it is. */
final class KnownTypes {
  static final String KEY = "type";

  private final Collection<NamedType> types;

  private KnownTypes(Collection<NamedType> types) {
    this.types = types;
  }

  static KnownTypes of(JavaType base, ObjectMapper mapper) {
    DeserializationConfig config = mapper.getDeserializationConfig();
    return new KnownTypes(
        mapper
            .getSubtypeResolver()
            .collectAndResolveSubtypesByTypeId(
                config, AnnotatedClassResolver.resolve(config, base, config)));
  }

  List<String> names() {
    return types.stream().filter(NamedType::hasName).map(NamedType::getName).sorted().toList();
  }

  Optional<Class<?>> classNamed(String name) {
    return types.stream()
        .filter(type -> name.equals(type.getName()))
        .<Class<?>>map(NamedType::getType)
        .findFirst();
  }
}
