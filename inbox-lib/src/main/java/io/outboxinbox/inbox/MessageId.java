package io.outboxinbox.inbox;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
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
 *
 * <p>A UUID is the only one of its kind anywhere. Any other id is unique within its source only, as
 * CloudEvents says of {@code id} and {@code source}: two tables that both count from 1 have nothing
 * in common. So its key is made of both where the source is known: {@link #of(String, String)}.
 */
public final class MessageId {
  /** No producer we know of makes longer ones; what is longer is most likely not an id. */
  public static final int CHARACTERS_MAX = 1024;

  private static final int CANONICAL_LENGTH = 36;
  private static final int SHOWN_CHARACTERS = 64;
  private static final long FOREIGN_PREFIX = 0xFFL << 56;

  /** Bytes that are in no text in UTF-8, so that no two of what is hashed are the same. */
  private static final int OF_SOURCE = 0xFF;

  private static final int OF_REQUEST = 0xFE;

  private final String text;
  private final UUID key;
  private final @Nullable UUID formerKey;
  private final @Nullable Instant madeAt;

  private MessageId(String text, UUID key, @Nullable UUID formerKey, @Nullable Instant madeAt) {
    this.text = text;
    this.key = key;
    this.formerKey = formerKey;
    this.madeAt = madeAt;
  }

  /**
   * Reads an id that is unique among all messages of its consumer, whoever sends them.
   *
   * @param text 1 to {@link #CHARACTERS_MAX} characters of any kind; a UUID in its usual form of 36
   *     characters is the same id in capitals and in small letters
   * @throws InboxException.BadMessage it is null, empty, too long, or has half a surrogate pair;
   *     the message cannot be told from others, so it must not be handled by an inbox
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
    if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
      throw new InboxException.BadMessage(
          "a message id has half a surrogate pair: " + shown(StoredText.escaped(text)),
          "send text, or a hash of what you have");
    }
    UUID uuid = uuid(text);
    return uuid == null ? new MessageId(text, hashed(bytes(text)), null, null) : of(uuid);
  }

  /**
   * Reads an id that is unique within its source, unless it is a UUID.
   *
   * @param text as {@link #of(String)} takes it
   * @param source whose id it is, at best header {@code ce_sourceid} or {@code ce_source}; the same
   *     on every redelivery
   * @throws InboxException.BadMessage as {@link #of(String)}
   */
  public static MessageId of(@Nullable String text, String source) {
    MessageId id = of(text);
    return uuid(id.text) == null ? id.within(hashed(OF_SOURCE, bytes(source), id.text)) : id;
  }

  /** Takes a UUID as an id, the same as its text. */
  public static MessageId of(UUID uuid) {
    String text = uuid.toString();
    return isDated(uuid)
        ? new MessageId(
            text, uuid, null, Instant.ofEpochMilli(uuid.getMostSignificantBits() >>> 16))
        : new MessageId(text, hashed(bytes(text)), null, null);
  }

  /** The key of {@link Inbox#once}: whatever it is, no message has it. */
  static MessageId ofRequest(String text) {
    MessageId id = of(text);
    return id.within(hashed(OF_REQUEST, new byte[0], id.text));
  }

  /** What a table has kept of an id. */
  static MessageId stored(String text, UUID key) {
    UUID uuid = uuid(text);
    MessageId known =
        uuid == null ? new MessageId(text, hashed(bytes(text)), null, null) : of(uuid);
    return known.key.equals(key) ? known : known.within(key);
  }

  private MessageId within(UUID newKey) {
    return new MessageId(text, newKey, key, madeAt);
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
  private static UUID hashed(byte[] bytes) {
    ByteBuffer hash = ByteBuffer.wrap(Sha256.of(bytes));
    long high = (hash.getLong() & 0x00FF_FFFF_FFFF_0FFFL) | FOREIGN_PREFIX | 0x8000L;
    long low = (hash.getLong() & 0x3FFF_FFFF_FFFF_FFFFL) | 0x8000_0000_0000_0000L;
    return new UUID(high, low);
  }

  private static UUID hashed(int kind, byte[] source, String text) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    all.write(kind);
    all.writeBytes(source);
    all.write(kind);
    all.writeBytes(bytes(text));
    return hashed(all.toByteArray());
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  /** The id as it was given; a UUID in small letters. */
  public String text() {
    return text;
  }

  /** What is stored, in column {@code message_key}. */
  public UUID key() {
    return key;
  }

  /** The key under which versions kept it that did not ask whose id it is; null for the same. */
  @Nullable UUID formerKey() {
    return formerKey;
  }

  /** All keys under which it may have been kept. */
  List<UUID> keys() {
    return formerKey == null ? List.of(key) : List.of(key, formerKey);
  }

  /** When the id was made, to the millisecond; only a UUID version 7 says so. */
  public Optional<Instant> madeAt() {
    return Optional.ofNullable(madeAt);
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
