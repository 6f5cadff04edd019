package io.outboxinbox.inbox;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * The id by which a message is known again, and the 16 bytes under which the inbox keeps it.
 *
 * <p>A UUID version 7 is its own key: it says when it was made, so old ones can be forgotten by the
 * day. Every other id is hashed to a key that begins with {@code ff}, where no UUID version 7 of
 * the next eight thousand years lies; else one that looks old by chance would be forgotten too
 * early.
 */
public final class MessageId {
  /** No producer we know of makes longer ones; what is longer is most likely not an id. */
  public static final int CHARACTERS_MAX = 1024;

  private static final int CANONICAL_LENGTH = 36;
  private static final int SHOWN_CHARACTERS = 64;
  private static final long FOREIGN_PREFIX = 0xFFL << 56;

  private final String text;
  private final UUID key;

  private MessageId(String text, UUID key) {
    this.text = text;
    this.key = key;
  }

  /**
   * Reads an id.
   *
   * @param text 1 to {@link #CHARACTERS_MAX} characters of any kind; a UUID in its usual form of 36
   *     characters is the same id in capitals and in small letters
   * @throws InboxException.BadMessage it is null, empty or too long; the message cannot be told
   *     from others, so it must not be handled by an inbox
   */
  public static MessageId of(@Nullable String text) {
    if (text == null || text.isEmpty()) {
      throw new InboxException.BadMessage(
          "a message has " + (text == null ? "no id" : "an empty id"),
          "give every message an id that is the same on each redelivery (header ce_id)");
    }
    if (text.length() > CHARACTERS_MAX) {
      throw new InboxException.BadMessage(
          "a message id has "
              + text.length()
              + " characters, more than "
              + CHARACTERS_MAX
              + ": "
              + shown(text),
          "send a UUID, or a hash of what you have");
    }
    UUID uuid = uuid(text);
    return uuid == null ? new MessageId(text, hashed(text)) : of(uuid);
  }

  /** Takes a UUID as an id, the same as its text. */
  public static MessageId of(UUID uuid) {
    String text = uuid.toString();
    return new MessageId(text, isDated(uuid) ? uuid : hashed(text));
  }

  private static @Nullable UUID uuid(String text) {
    if (text.length() != CANONICAL_LENGTH) {
      return null;
    }
    try {
      UUID uuid = UUID.fromString(text);
      // fromString also takes groups of a wrong length; what it made of them is another text.
      return uuid.toString().equalsIgnoreCase(text) ? uuid : null;
    } catch (IllegalArgumentException notOne) {
      return null;
    }
  }

  /** Version 7, variant 2, and a time outside what {@link #hashed} uses. */
  private static boolean isDated(UUID uuid) {
    return uuid.version() == 7
        && uuid.variant() == 2
        && Long.compareUnsigned(uuid.getMostSignificantBits(), FOREIGN_PREFIX) < 0;
  }

  /**
   * 114 bits of SHA-256 as a UUID version 8 (RFC 9562, appendix B.2), the first byte {@code ff}.
   */
  private static UUID hashed(String text) {
    ByteBuffer hash = ByteBuffer.wrap(Sha256.of(text.getBytes(StandardCharsets.UTF_8)));
    long high = (hash.getLong() & 0x00FF_FFFF_FFFF_0FFFL) | FOREIGN_PREFIX | 0x8000L;
    long low = (hash.getLong() & 0x3FFF_FFFF_FFFF_FFFFL) | 0x8000_0000_0000_0000L;
    return new UUID(high, low);
  }

  /** The id as it was given; a UUID in small letters. */
  public String text() {
    return text;
  }

  /** What is stored, in column {@code message_key}. */
  public UUID key() {
    return key;
  }

  /** When the id was made, to the millisecond; only a UUID version 7 says so. */
  public Optional<Instant> madeAt() {
    return isDated(key)
        ? Optional.of(Instant.ofEpochMilli(key.getMostSignificantBits() >>> 16))
        : Optional.empty();
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof MessageId that && key.equals(that.key);
  }

  @Override
  public int hashCode() {
    return key.hashCode();
  }

  /** The id, fit for a line of a log: shortened, and without control characters. */
  @Override
  public String toString() {
    return shown(text);
  }

  private static String shown(String text) {
    StringBuilder shown = new StringBuilder();
    text.chars()
        .limit(SHOWN_CHARACTERS)
        .forEach(c -> shown.append(Character.isISOControl(c) ? '\uFFFD' : (char) c));
    return text.length() > SHOWN_CHARACTERS ? shown.append("...").toString() : shown.toString();
  }
}
