package io.outboxinbox.agent.source.log;

import io.debezium.spi.converter.CustomConverter;
import io.debezium.spi.converter.RelationalColumn;
import io.outboxinbox.agent.source.ColumnValue;
import java.sql.Types;
import java.util.Properties;
import org.apache.kafka.connect.data.SchemaBuilder;

/**
 * Gives values of the log the one form of {@link ColumnValue}.
 *
 * <p>Debezium makes this object, of its class name. Its own conversions would take the place of
 * what they cannot convert with null, and of NULL with a default. They only log it, with the value.
 */
public final class LogValues implements CustomConverter<SchemaBuilder, RelationalColumn> {
  @Override
  public void configure(Properties properties) {}

  @Override
  public void converterFor(
      RelationalColumn column, ConverterRegistration<SchemaBuilder> registration) {
    // A schema of its own for each, as Debezium goes on to change it.
    if (column.jdbcType() == Types.BINARY) {
      registration.register(
          SchemaBuilder.bytes().optional(), value -> ColumnValue.isBytes(value) ? value : null);
    } else {
      registration.register(
          SchemaBuilder.string().optional(),
          value -> ColumnValue.isBytes(value) ? null : ColumnValue.of(value));
    }
  }
}
