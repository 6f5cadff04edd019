package io.outboxinbox.inbox;

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
  /**
   * What columns of MySQL hold, and what fits with consumer and topic into an entry of an index of
   * PostgreSQL, 2,700 bytes. Sources of the agent have at most 148 characters.
   */
  public static final int SOURCE_CHARACTERS_MAX = 255;

  /** The same of a topic; Kafka allows no more. */
  public static final int TOPIC_CHARACTERS_MAX = 249;

  /**
   * Checks what the tables can hold.
   *
   * @throws InboxException.BadMessage source or topic is too long or ends with a blank: MySQL takes
   *     texts for equal that differ in blanks at their end
   */
  public Origin {
    requireStorable("source", source, SOURCE_CHARACTERS_MAX);
    requireStorable("topic", topic, TOPIC_CHARACTERS_MAX);
  }

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
    Optional<String> id = envelope.header(MessageHeaders.SOURCE_ID);
    Optional<String> name = envelope.header(MessageHeaders.SOURCE).filter(Origin::isUsable);
    // An id that cannot be stored is no reason to share the mark of all that have the name.
    Optional<String> source = id.isPresent() ? id.filter(Origin::isUsable) : name;
    OptionalLong epoch = number(envelope.header(MessageHeaders.EPOCH));
    OptionalLong sequence = number(envelope.header(MessageHeaders.SEQUENCE));
    boolean isTopicUsable = isStorable(envelope.topic(), TOPIC_CHARACTERS_MAX);
    if (source.isEmpty() || epoch.isEmpty() || sequence.isEmpty() || !isTopicUsable) {
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
        && isStorable(source, SOURCE_CHARACTERS_MAX)
        && source.chars().noneMatch(Character::isISOControl);
  }

  private static boolean isStorable(String text, int charactersMax) {
    return text.length() <= charactersMax && !text.endsWith(" ");
  }

  private static void requireStorable(String what, String text, int charactersMax) {
    if (!isStorable(text, charactersMax)) {
      throw new InboxException.BadMessage(
          "the %s of a message has %d characters, more than %d, or ends with a blank"
              .formatted(what, text.length(), charactersMax),
          "use mode IDS, which does without it");
    }
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
