package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.InboxException;
import io.outboxinbox.inbox.Outcome;
import io.outboxinbox.inbox.RetryAdvice;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** How a transaction ended that did not commit, or may not have. */
final class StepFailure extends Exception {
  /** Room for three names of their full length and a statement that has two of them again. */
  private static final int SHOWN_CHARACTERS = 1_000;

  private static final int CAUSES_MAX = 50;
  private static final String TRANSACTION_ABORTED = "25P02";

  /** The server starts or stops; pools close connections of which they hear that. */
  private static final String CANNOT_CONNECT_NOW = "57P03";

  /** Too many connections: that is another database's, for this one has given us ours. */
  private static final String TOO_MANY_CONNECTIONS = "53300";

  /** Disk full, table full. */
  private static final Set<Integer> MYSQL_LACKS = Set.of(1021, 1114);

  /** What to do. */
  enum Kind {
    /** Lost against another transaction: the same again, soon. */
    CONFLICT,
    /** The same again with pauses, for ever. */
    DATABASE_AWAY,
    /** The same again with pauses until a person has mended it. */
    MISCONFIGURED,
    /** This message can never be handled; no attempt will help. */
    UNUSABLE,
    /** The handler has failed. */
    HANDLER
  }

  /** How far a transaction has come: whose fault it is when it fails. */
  enum Phase {
    /** No connection yet. */
    CONNECT("waits for a connection"),
    /** Our own statements before a handler has run; what fails here is no message's fault. */
    OURS("asks the inbox"),
    /** The handler's statements. */
    HANDLER("is with the handler"),
    /** Our own statements behind the handler's, which may be to blame. */
    BEHIND("keeps what goes with the handler's effects"),
    /** The commit of what the handler did, with all that was deferred to it. */
    COMMIT("commits"),
    /** The connection broke under the handler, and with it the transaction. */
    LOST("has lost its connection");

    private final String words;

    Phase(String words) {
      this.words = words;
    }

    /** What a message does. */
    String words() {
      return words;
    }
  }

  private final Kind kind;
  private final Phase phase;
  private final transient Throwable failure;
  private final transient Given doubtful;

  /** Messages that a handler was given, and as what they were admitted. */
  record Given(List<Delivery> deliveries, List<Outcome> outcomes) {
    static final Given NOTHING = new Given(List.of(), List.of());

    static Given of() {
      return new Given(new ArrayList<>(), new ArrayList<>());
    }

    int size() {
      return deliveries.size();
    }
  }

  private StepFailure(Phase phase, Throwable failure, Given doubtful) {
    super(failure.getMessage(), failure);
    this.kind = kindOf(phase, failure);
    this.phase = phase;
    this.failure = failure;
    this.doubtful = doubtful;
  }

  static StepFailure of(Phase phase, Throwable failure) {
    return new StepFailure(phase, failure, Given.NOTHING);
  }

  /**
   * Of a transaction that may have ended under the handler.
   *
   * @param doubtful the messages that the handler was given
   */
  static StepFailure ofEnded(Phase phase, Throwable failure, Given doubtful) {
    return new StepFailure(phase, failure, doubtful);
  }

  private static Kind kindOf(Phase phase, Throwable failure) {
    // A pool that is exhausted and a wrong password have no state that tells; neither is the
    // message's fault.
    if (phase == Phase.CONNECT) {
      return failure instanceof Exception ? Kind.DATABASE_AWAY : Kind.MISCONFIGURED;
    }
    RetryAdvice advice = RetryAdvice.of(failure);
    // Where the database was there for the admission and is there for the next, time and again, a
    // message that asks too much looks the same as one that is unlucky.
    boolean isLost = phase == Phase.LOST && !CANNOT_CONNECT_NOW.equals(sqlState(failure));
    if (advice == RetryAdvice.AGAIN || (isLost && advice != RetryAdvice.MEND)) {
      return Kind.CONFLICT;
    }
    if (advice == RetryAdvice.LATER) {
      return Kind.DATABASE_AWAY;
    }
    if (advice == RetryAdvice.MEND || failure instanceof InboxException.Misconfigured) {
      return Kind.MISCONFIGURED;
    }
    if (failure instanceof InboxException.BadMessage
        || failure instanceof InboxException.Forgotten) {
      return Kind.UNUSABLE;
    }
    return isOfHandler(phase) || isAborted(failure) ? Kind.HANDLER : Kind.MISCONFIGURED;
  }

  private static boolean isOfHandler(Phase phase) {
    return phase == Phase.HANDLER || phase == Phase.COMMIT;
  }

  /** The handler has swallowed an error, and the next statement of ours met it. */
  private static boolean isAborted(Throwable failure) {
    return failure instanceof SQLException sql && TRANSACTION_ABORTED.equals(sql.getSQLState());
  }

  Kind kind() {
    return kind;
  }

  /** Whether our own statements failed, not the handler. */
  boolean isOfInbox() {
    return phase == Phase.OURS || phase == Phase.BEHIND;
  }

  /** Whether it is known what has become of the handler's effects, and that cannot be kept. */
  boolean isBehindHandler() {
    return phase == Phase.BEHIND;
  }

  /** Whether no handler has run in the transaction. */
  boolean isBeforeHandler() {
    return phase == Phase.OURS;
  }

  /**
   * Messages whose ids may be committed, though not by us: asked again, the inbox would take them
   * for handled.
   */
  Given doubtful() {
    return doubtful;
  }

  /**
   * Whether the database has lacked something that a single message can use up or ask for (memory,
   * locks, room, a file), though it was there for the admission. What a handler says of other
   * databases is not of the message; once it has returned, all that fails is of this one.
   */
  boolean mayBeOfMessage() {
    return switch (phase) {
      case HANDLER -> isLacking(failure);
      case BEHIND, COMMIT -> true;
      case CONNECT, OURS, LOST -> false;
    };
  }

  private static boolean isLacking(Throwable failure) {
    @Nullable Throwable current = failure;
    for (int i = 0; i < CAUSES_MAX && current != null; i++) {
      if (current instanceof SQLException sql) {
        for (Throwable one : sql) {
          if (one instanceof SQLException next && isLackingOne(next)) {
            return true;
          }
        }
      }
      current = current.getCause();
    }
    return false;
  }

  /** PostgreSQL: 53 insufficient resources, 58 system error, as a file that is not there. */
  private static boolean isLackingOne(SQLException failure) {
    String state = failure.getSQLState() == null ? "" : failure.getSQLState();
    return MYSQL_LACKS.contains(failure.getErrorCode())
        || state.startsWith("58")
        || (state.startsWith("53") && !state.equals(TOO_MANY_CONNECTIONS));
  }

  /** What was thrown. */
  Throwable failure() {
    return failure;
  }

  /** For a line of the log and for the state; shortened, since messages can quote data. */
  String reason() {
    String way = kind == Kind.MISCONFIGURED && isOfHandler(phase) ? wayOut() : "";
    return shown(failure) + way;
  }

  private String wayOut() {
    return switch (String.valueOf(sqlState(failure))) {
      case "26000", "42P05" ->
          "; behind a pooler in transaction mode, add prepareThreshold=0 to the JDBC URL";
      case "25006" -> "; connect to the primary, with sessions that may write";
      default -> "; mend the database or the program, the message waits";
    };
  }

  private static @Nullable String sqlState(Throwable failure) {
    @Nullable Throwable current = failure;
    for (int i = 0; i < CAUSES_MAX && current != null; i++) {
      if (current instanceof SQLException sql && sql.getSQLState() != null) {
        return sql.getSQLState();
      }
      current = current.getCause();
    }
    return null;
  }

  static String shown(Throwable failure) {
    // PostgreSQL quotes values of rows from the second line on. Ours end with the way out.
    String all = failure.toString();
    String told = failure instanceof InboxException ? all : all.lines().findFirst().orElse(all);
    String text = told.replaceAll("\\p{Cntrl}+", " ");
    return text.length() <= SHOWN_CHARACTERS ? text : text.substring(0, SHOWN_CHARACTERS) + "...";
  }
}
