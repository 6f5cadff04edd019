package io.outboxinbox.agent.configure;

import com.fasterxml.jackson.annotation.JsonProperty;
import jakarta.validation.constraints.Pattern;
import java.time.Duration;
import java.util.Optional;

/**
 * Block {@code retention}.
 *
 * @param keep days for which published events stay in the table, counted from the end of their day;
 *     {@code off} drops nothing
 */
public record RetentionConfiguration(
    @JsonProperty(defaultValue = OFF)
        @Pattern(
            regexp = "off|[1-9][0-9]{0,3}d",
            message = "must be off, or a number of days such as 7d")
        String keep) {
  private static final String OFF = "off";

  /** How long; empty when nothing is to be dropped. */
  public Optional<Duration> kept() {
    return keep.equals(OFF)
        ? Optional.empty()
        : Optional.of(Duration.ofDays(Long.parseLong(keep.substring(0, keep.length() - 1))));
  }
}
