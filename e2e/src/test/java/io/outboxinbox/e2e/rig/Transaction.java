package io.outboxinbox.e2e.rig;

import java.util.ArrayList;
import java.util.List;

/** One database transaction in the ledger. Its writer's thread fills it; read it afterwards. */
public final class Transaction {

  /** How it ended, as far as its writer knows. */
  public enum Outcome {
    /** COMMIT has not been sent. A failure now means that nothing was committed. */
    OPEN,
    /** The server confirmed the commit. */
    COMMITTED,
    /** Rolled back, or failed before COMMIT was sent. */
    ROLLED_BACK,
    /** COMMIT was sent and the answer was lost; the table knows. */
    UNKNOWN
  }

  /** How it writes its rows. */
  public enum Kind {
    /** One row through the function applications call. */
    FUNCTION,
    /** One INSERT of several rows. */
    MULTI_ROW,
    /** COPY, whose rows share LSNs. */
    COPY,
    /** Several statements with pauses, so that transactions of other writers lie in between. */
    INTERLEAVED,
    /** Part of it is rolled back to a savepoint. */
    SAVEPOINT,
    /** All of it is rolled back. */
    ROLLED_BACK
  }

  private final int writer;
  private final long number;
  private final Kind kind;
  private final List<Entry> entries = new ArrayList<>();
  private final List<Entry> discarded = new ArrayList<>();
  private Outcome outcome = Outcome.OPEN;

  Transaction(int writer, long number, Kind kind) {
    this.writer = writer;
    this.number = number;
    this.kind = kind;
  }

  public int writer() {
    return writer;
  }

  /** Rises in commit order within one writer. */
  public long number() {
    return number;
  }

  public Kind kind() {
    return kind;
  }

  /** The events that stand or fall with the commit, in the order they were written. */
  public List<Entry> entries() {
    return entries;
  }

  /** Events rolled back to a savepoint, whatever became of the rest. */
  public List<Entry> discarded() {
    return discarded;
  }

  public Outcome outcome() {
    return outcome;
  }

  void end(Outcome ended) {
    outcome = ended;
  }

  @Override
  public String toString() {
    return "writer "
        + writer
        + " transaction "
        + number
        + " ("
        + kind
        + ", "
        + entries.size()
        + " events, "
        + outcome
        + ")";
  }
}
