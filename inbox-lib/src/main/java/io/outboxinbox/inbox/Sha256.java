package io.outboxinbox.inbox;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** A hash that nobody can steer into a collision, unlike those of name-based UUIDs. */
final class Sha256 {
  private Sha256() {}

  static byte[] of(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}
