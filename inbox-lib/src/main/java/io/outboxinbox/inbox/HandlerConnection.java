package io.outboxinbox.inbox;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Array;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The connection as a handler gets it: with everything but the end of the transaction. A handler
 * that commits would make half its effects durable, one that rolls back would lose them while the
 * message counts as handled. Its statements, results and metadata lead back to it.
 *
 * <p>SQL that ends the transaction is refused where it can be read. What ends it in other ways is
 * noticed: on PostgreSQL with its own driver at once, or, where another transaction was begun in
 * the same call or past this connection (through {@code unwrap}), by {@link #requireUnended}; on
 * MySQL and MariaDB by {@link Transactions} before the commit. How it has ended, {@link
 * Inbox#isCommitted} tells afterwards.
 *
 * <p>Close it when the handler has returned: a thread that goes on writes no more, neither into the
 * next message's transaction nor into one of its own.
 */
public final class HandlerConnection implements AutoCloseable {
  /**
   * SQL:2016, function sequence error. None of class 08, since the database is there: it is the
   * handler that has to be mended.
   */
  private static final String TOO_LATE = "HY010";

  private static final String COMMITTING =
      ". MySQL and MariaDB commit by themselves at DDL, TRUNCATE, GRANT, LOCK TABLES, ANALYZE TABLE"
          + " and FLUSH: use DELETE and CREATE TEMPORARY TABLE";

  /** Sees what a handler does with its connection. */
  public interface Watch {
    /** Does not look. */
    Watch NONE =
        new Watch() {
          @Override
          public void used() {}

          @Override
          public void sessionChanged() {}
        };

    /** The handler has made a statement, or has got the connection behind this one. */
    void used();

    /**
     * The handler may have set something that outlives the transaction; a pool resets it when it
     * gets the connection back.
     */
    void sessionChanged();
  }

  /** Whom refusals speak of. */
  enum Caller {
    HANDLER("a handler", "the connection of its message", "handler"),
    WORK("work", "the connection it was given", "work");

    private final String subject;
    private final String object;
    private final String noun;

    Caller(String subject, String object, String noun) {
      this.subject = subject;
      this.object = object;
      this.noun = noun;
    }
  }

  private final Connection real;
  private final CommitGuard guard;
  private final Watch watch;
  private final Caller caller;
  private final boolean isMySql;
  private final Connection connection;

  /** Held during each call, so that none is on its way when the handler's time ends. */
  private final ReentrantLock calls = new ReentrantLock();

  /**
   * Held while a statement is cancelled, which cannot wait for the call that it is to end. Taken
   * behind {@link #calls}.
   */
  private final ReentrantLock cancels = new ReentrantLock();

  /** Written with both locks held. */
  private boolean isOver;

  private boolean hasEnded;

  /** Whether there was a call that may have ended the transaction unseen. */
  private boolean isSuspect;

  private final long transaction;

  /**
   * Lends a connection.
   *
   * @param transaction as the {@link Outcome} of the admission has it
   */
  HandlerConnection(
      Connection real, CommitGuard guard, Watch watch, Caller caller, long transaction)
      throws SQLException {
    this.real = real;
    this.guard = guard;
    this.watch = watch;
    this.caller = caller;
    this.transaction = transaction;
    this.isMySql = guard.isMySql(real);
    this.connection = proxy(Connection.class, real, this::onConnection);
  }

  /** For the handler. */
  public Connection connection() {
    return connection;
  }

  /**
   * Call it when the handler has returned without a failure.
   *
   * @throws SQLException 25P01: it has ended the transaction; roll back
   */
  public void requireUnended() throws SQLException {
    calls.lock();
    try {
      refuseIfEnded();
      if (isSuspect && !isMySql) {
        guard.requireSame(real, transaction);
      }
    } finally {
      calls.unlock();
    }
  }

  /**
   * Call it when the handler has failed, before the rollback and in work of {@link Transactions}:
   * whether it may have committed before that. {@link Inbox#isCommitted} knows, in a transaction
   * begun afterwards.
   */
  public boolean mayHaveCommitted() {
    calls.lock();
    try {
      lookForItsEnd();
      // What is not suspect may end it too, by a deadlock of MySQL and MariaDB, but commits
      // nothing.
      return hasEnded || (isSuspect && (!isMySql || guard.isGone(real)));
    } catch (SQLException e) {
      return isSuspect;
    } finally {
      calls.unlock();
    }
  }

  /** Takes the connection from the handler; waits for calls that are under way. */
  @Override
  public void close() {
    calls.lock();
    try {
      cancels.lock();
      try {
        isOver = true;
      } finally {
        cancels.unlock();
      }
    } finally {
      calls.unlock();
    }
  }

  private interface Call {
    @Nullable Object of(Object proxy, Method method, Object @Nullable [] arguments)
        throws Throwable;
  }

  /** What stands for another object. */
  private record Lent(Object target, Call call) implements InvocationHandler {
    @Override
    public @Nullable Object invoke(Object proxy, Method method, Object @Nullable [] arguments)
        throws Throwable {
      // As keys of a map, where frameworks keep what they have to close.
      return switch (method.getName()) {
        case "equals" -> arguments != null && proxy == arguments[0];
        case "hashCode" -> System.identityHashCode(proxy);
        case "toString" -> target.toString();
        default -> call.of(proxy, method, arguments);
      };
    }
  }

  private static <T> T proxy(Class<T> type, T target, Call call) {
    return type.cast(
        Proxy.newProxyInstance(
            HandlerConnection.class.getClassLoader(),
            new Class<?>[] {type},
            new Lent(target, call)));
  }

  /** The connection that one of ours stands for; others as they are. For questions of our own. */
  static Connection behind(Connection connection) {
    return (Connection) targetOf(connection);
  }

  private static Object targetOf(Object given) {
    return Proxy.isProxyClass(given.getClass())
            && Proxy.getInvocationHandler(given) instanceof Lent lent
        ? lent.target()
        : given;
  }

  /** A driver knows its own arrays better than others. */
  private static Object @Nullable [] withoutOurArrays(Object @Nullable [] arguments) {
    Object @Nullable [] passed = arguments;
    for (int i = 0; passed != null && i < passed.length; i++) {
      if (passed[i] instanceof Array array && targetOf(array) != array) {
        passed = passed.clone();
        passed[i] = targetOf(array);
      }
    }
    return passed;
  }

  private @Nullable Object onConnection(Object proxy, Method method, Object @Nullable [] arguments)
      throws Throwable {
    switch (method.getName()) {
      case "commit", "abort" -> throw refused(method.getName());
      case "rollback" -> {
        // To a savepoint it may.
        if (arguments == null) {
          throw refused(method.getName());
        }
      }
      case "setAutoCommit" -> {
        if (arguments != null && Boolean.TRUE.equals(arguments[0])) {
          throw refused(method.getName());
        }
        return null;
      }
      case "close" -> {
        // The runner closes it; many a helper closes what it was given.
        return null;
      }
      default -> {
        // Everything else is the handler's.
      }
    }
    return call(real, null, method, arguments);
  }

  /** Statements, results and metadata. */
  private <T> T lent(Class<T> type, T target, @Nullable Object maker) {
    return proxy(
        type,
        target,
        (proxy, method, arguments) ->
            switch (method.getName()) {
              case "getConnection" -> connection;
              case "cancel" -> cancel(target, method, arguments);
              default -> call(target, maker == null ? proxy : maker, method, arguments);
            });
  }

  private @Nullable Object call(
      Object target, @Nullable Object maker, Method method, Object @Nullable [] arguments)
      throws Throwable {
    String name = method.getName();
    calls.lock();
    try {
      if (isOver) {
        return afterwards(name);
      }
      refuseToEnd(name, arguments);
      if (target == real) {
        tellWatch(name);
      }
      boolean isWork = name.startsWith("execute") || name.startsWith("prepare");
      if (isWork || name.equals("setSavepoint")) {
        refuseIfEnded();
      }
      isSuspect = isSuspect || isSuspect(name, arguments);
      Object result = invoke(target, method, withoutOurArrays(arguments));
      if (isWork) {
        refuseIfEnded();
      }
      if (name.equals("getStatement") && result != null && maker instanceof Statement) {
        return maker;
      }
      return lend(result, maker);
    } finally {
      calls.unlock();
    }
  }

  /**
   * Only from another thread is it of use, while a call is under way. Afterwards nothing of the
   * handler's is left to cancel, but drivers may cancel whatever the session is at.
   */
  private @Nullable Object cancel(Object target, Method method, Object @Nullable [] arguments)
      throws Throwable {
    cancels.lock();
    try {
      return isOver ? null : invoke(target, method, arguments);
    } finally {
      cancels.unlock();
    }
  }

  /** What may be done without harm when the time is over. */
  private @Nullable Object afterwards(String name) throws SQLException {
    return switch (name) {
      case "close", "free" -> null;
      case "isClosed" -> true;
      case "isValid" -> false;
      default ->
          throw new SQLException(
              "the "
                  + caller.noun
                  + " of this connection has returned; "
                  + name
                  + " comes too late, so wait in the "
                  + caller.noun
                  + " for everything that writes on its connection",
              TOO_LATE);
    };
  }

  private void refuseToEnd(String name, Object @Nullable [] arguments) {
    String sql = sqlOf(name, arguments);
    if (sql != null && TransactionEnd.isIn(sql, isMySql)) {
      throw refused(name + " with SQL that ends the transaction");
    }
  }

  private boolean isSuspect(String name, Object @Nullable [] arguments) {
    String sql = sqlOf(name, arguments);
    return name.equals("unwrap") || (sql != null && TransactionEnd.mayBeIn(sql, isMySql));
  }

  private static @Nullable String sqlOf(String name, Object @Nullable [] arguments) {
    boolean isOfSql =
        name.startsWith("execute") || name.startsWith("prepare") || name.equals("addBatch");
    return isOfSql && arguments != null && arguments.length > 0 && arguments[0] instanceof String s
        ? s
        : null;
  }

  private void tellWatch(String name) {
    if (name.equals("unwrap") || (name.startsWith("set") && !name.equals("setSavepoint"))) {
      watch.sessionChanged();
    }
    if (name.equals("unwrap") || name.equals("createStatement") || name.startsWith("prepare")) {
      watch.used();
    }
  }

  private @Nullable Object lend(@Nullable Object result, @Nullable Object maker) {
    if (result instanceof CallableStatement statement) {
      return lent(CallableStatement.class, statement, null);
    }
    if (result instanceof PreparedStatement statement) {
      return lent(PreparedStatement.class, statement, null);
    }
    if (result instanceof Statement statement) {
      return lent(Statement.class, statement, null);
    }
    if (result instanceof ResultSet rows) {
      return lent(ResultSet.class, rows, maker);
    }
    if (result instanceof Array array) {
      return lent(Array.class, array, null);
    }
    return result instanceof DatabaseMetaData metadata
        ? lent(DatabaseMetaData.class, metadata, null)
        : result;
  }

  private static @Nullable Object invoke(
      Object target, Method method, Object @Nullable [] arguments) throws Throwable {
    try {
      return method.invoke(target, arguments);
    } catch (InvocationTargetException e) {
      throw e.getCause() == null ? e : e.getCause();
    }
  }

  /** Before each statement, because it would begin another transaction, and behind it. */
  private void refuseIfEnded() throws SQLException {
    lookForItsEnd();
    if (hasEnded) {
      throw CommitGuard.ended();
    }
  }

  private void lookForItsEnd() throws SQLException {
    hasEnded = hasEnded || guard.isIdle(real);
  }

  private InboxException refused(String call) {
    return new InboxException.Misused(
        caller.subject + " called " + call + " on " + caller.object,
        "return from the "
            + caller.noun
            + " to commit, throw to roll back; savepoints are allowed"
            + (isMySql ? COMMITTING : ""));
  }
}
