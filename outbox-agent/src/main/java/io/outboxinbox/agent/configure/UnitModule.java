package io.outboxinbox.agent.configure;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationContext;
import com.fasterxml.jackson.databind.deser.std.StdScalarDeserializer;
import com.fasterxml.jackson.databind.module.SimpleModule;
import java.io.IOException;
import java.time.Duration;

/** Reads {@link Duration} as Dropwizard writes it, {@code 30s} or {@code 500ms}: unit required. */
final class UnitModule extends SimpleModule {
  UnitModule() {
    super("units");
    addDeserializer(Duration.class, new DurationReader());
  }

  private static final class DurationReader extends StdScalarDeserializer<Duration> {
    DurationReader() {
      super(Duration.class);
    }

    @Override
    public Duration deserialize(JsonParser parser, DeserializationContext context)
        throws IOException {
      String text = parser.getText();
      try {
        return io.dropwizard.util.Duration.parse(text).toJavaDuration();
      } catch (IllegalArgumentException e) {
        return (Duration) context.handleWeirdStringValue(Duration.class, text, "no duration");
      }
    }
  }
}
