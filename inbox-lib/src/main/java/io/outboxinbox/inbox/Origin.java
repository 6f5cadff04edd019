package io.outboxinbox.inbox;

import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * Where a numbered message came from. Together with the partition the number tells a repeat without
 * a row for each message.
 *
 * @param source who numbers; one writer at a time, fenced. Header {@code ce_sourceid}, or else
 *     header {@code ce_source} of agents that did not send the other
 * @param formerSource name under which the source was known before it had that id: its mark goes on
 *     from the one of this name. Null if there is none
 * @param epoch header {@code ce_epoch}; higher when the numbers may start again
 * @param sequence header {@code ce_sequence}; rises within a partition of a topic
 */
public record Origin(
    String source,
    @Nullable String formerSource,
    String topic,
    int partition,
    long epoch,
    long sequence) {
  /** With consumer and topic it has to fit into an index entry of PostgreSQL, 2,700 bytes. */
  private static final int SOURCE_BYTES_MAX = 1_000;

  public Origin(String source, String topic, int partition, long epoch, long sequence) {
    this(source, null, topic, partition, epoch, sequence);
  }

  /**
   * Reads the headers of outbox-agent in the style of CloudEvents.
   *
   * @return empty unless source, epoch and sequence are there and such as can be stored: a message
   *     whose numbers make no sense counts as not numbered
   */
  public static Optional<Origin> of(Envelope envelope) {
    Optional<String> id = envelope.header("ce_sourceid");
    Optional<String> name = envelope.header("ce_source").filter(Origin::isUsable);
    // An id that cannot be stored is no reason to share the mark of all that have the name.
    Optional<String> source = id.isPresent() ? id.filter(Origin::isUsable) : name;
    OptionalLong epoch = number(envelope.header("ce_epoch"));
    OptionalLong sequence = number(envelope.header("ce_sequence"));
    if (source.isEmpty() || epoch.isEmpty() || sequence.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        new Origin(
            source.get(),
            name.filter(known -> !known.equals(source.get())).orElse(null),
            envelope.topic(),
            envelope.partition(),
            epoch.getAsLong(),
            sequence.getAsLong()));
  }

  private static boolean isUsable(String source) {
    return !source.isEmpty()
        && source.length() <= SOURCE_BYTES_MAX
        && source.getBytes(StandardCharsets.UTF_8).length <= SOURCE_BYTES_MAX
        && source.chars().noneMatch(Character::isISOControl);
  }

  private static OptionalLong number(Optional<String> text) {
    try {
      long number = text.isPresent() ? Long.parseLong(text.get()) : -1;
      return number < 0 ? OptionalLong.empty() : OptionalLong.of(number);
    } catch (NumberFormatException notOne) {
      return OptionalLong.empty();
    }
  }
}
