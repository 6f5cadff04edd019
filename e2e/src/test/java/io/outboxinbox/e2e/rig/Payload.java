package io.outboxinbox.e2e.rig;

/**
 * The content of an event, computed from its ledger entry, so that the audit can tell a changed
 * one.
 */
final class Payload {
  private static final String PADDING = "x".repeat(120);

  private Payload() {}

  static String of(Transaction transaction, Entry entry) {
    return "{\"writer\":"
        + transaction.writer()
        + ",\"key\":\""
        + entry.key()
        + "\",\"counter\":"
        + entry.counter()
        + ",\"transaction\":"
        + transaction.number()
        + ",\"padding\":\""
        + PADDING
        + "\"}";
  }
}
