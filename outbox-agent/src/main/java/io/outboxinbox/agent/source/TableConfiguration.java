package io.outboxinbox.agent.source;

import com.fasterxml.jackson.annotation.JsonProperty;
import io.outboxinbox.agent.source.SourceConfiguration.Column;
import io.outboxinbox.agent.source.SourceConfiguration.ExistingRows;
import io.outboxinbox.agent.source.SourceConfiguration.Layout;
import jakarta.validation.constraints.Pattern;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One entry of {@code source.tables}: a table, and how its rows become messages. What is left out
 * is as the pipeline's blocks say.
 *
 * @param columns names that differ from the layout's
 * @param extraColumns further columns to read, for templates
 * @param existingRows null for {@code source.existingRows}
 * @param topic null for {@code route.topic}
 * @param key null for {@code route.key}
 * @param allowedTopics null for {@code route.allowedTopics}; tables have different writers
 */
public record TableConfiguration(
    @JsonProperty(defaultValue = OutboxTable.OURS)
        @Pattern(regexp = Identifiers.TABLE, message = Identifiers.TABLE_RULE)
        String table,
    @JsonProperty(defaultValue = "standard") Layout layout,
    @JsonProperty(defaultValue = "{}")
        Map<Column, @Pattern(regexp = Identifiers.COLUMN, message = Identifiers.COLUMN_RULE) String>
            columns,
    @JsonProperty(defaultValue = "[]")
        List<@Pattern(regexp = Identifiers.COLUMN, message = Identifiers.COLUMN_RULE) String>
            extraColumns,
    @Nullable ExistingRows existingRows,
    @Nullable String topic,
    @Nullable String key,
    @Nullable List<String> allowedTopics) {

  OutboxTable in(String schema, ExistingRows existingRowsOfAll) {
    return new OutboxTable(
        schema,
        table,
        layout,
        columns,
        extraColumns,
        Objects.requireNonNullElse(existingRows, existingRowsOfAll));
  }
}
