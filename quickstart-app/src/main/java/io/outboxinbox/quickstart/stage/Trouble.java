package io.outboxinbox.quickstart.stage;

/** The demonstration cannot go on. The message is for the user and says what to do. */
public final class Trouble extends Exception {
  private static final long serialVersionUID = 1L;

  public Trouble(String message) {
    super(message);
  }

  public Trouble(String message, Throwable cause) {
    super(message, cause);
  }
}
