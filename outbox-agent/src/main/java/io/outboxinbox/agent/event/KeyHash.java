package io.outboxinbox.agent.event;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * Stands for a key where many are kept in memory: the first 128 bits of its SHA-256, of one size
 * whatever the length of the key. Two keys that met would be taken for one; with 64 bits a tenant
 * could look for such a pair, with 128 nobody finds one, by chance or by trying. It costs half a
 * microsecond.
 */
public record KeyHash(long high, long low) {

  public static KeyHash of(String key) {
    return of(sha256().digest(key.getBytes(StandardCharsets.UTF_8)));
  }

  /** Of a key in a topic. */
  public static KeyHash of(String topic, byte[] key) {
    MessageDigest digest = sha256();
    digest.update(topic.getBytes(StandardCharsets.UTF_8));
    // No topic's name has it, so no two pairs run together.
    digest.update((byte) '/');
    return of(digest.digest(key));
  }

  private static KeyHash of(byte[] digest) {
    ByteBuffer bytes = ByteBuffer.wrap(digest);
    return new KeyHash(bytes.getLong(), bytes.getLong());
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  /** The bits are as good as any hash of them. */
  @Override
  public int hashCode() {
    return (int) low;
  }
}
