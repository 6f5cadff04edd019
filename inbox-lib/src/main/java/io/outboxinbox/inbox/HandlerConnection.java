package io.outboxinbox.inbox;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
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
 * noticed afterwards: on MySQL and MariaDB by {@link Transactions}; on PostgreSQL with its own
 * driver by {@link #requireUnended}, unless a new transaction was begun in the same call ({@code
 * DO} blocks and procedures cannot do that) or past this connection, through {@code unwrap}.
 *
 * <p>Close it when the handler has returned: a thread that goes on writes no more, neither into the
 * next message's transaction nor into one of its own.
 */
public final class HandlerConnection implements AutoCloseable {
  private static final String NO_CONNECTION = "08003";

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

  private final Connection real;
  private final CommitGuard guard;
  private final Watch watch;
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

  HandlerConnection(Connection real, CommitGuard guard, Watch watch) throws SQLException {
    this.real = real;
    this.guard = guard;
    this.watch = watch;
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
      lookForItsEnd();
      if (hasEnded) {
        throw CommitGuard.ended();
      }
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

  private static <T> T proxy(Class<T> type, T target, Call call) {
    return type.cast(
        Proxy.newProxyInstance(
            HandlerConnection.class.getClassLoader(),
            new Class<?>[] {type},
            (proxy, method, arguments) -> {
              // As keys of a map, where frameworks keep what they have to close.
              return switch (method.getName()) {
                case "equals" -> arguments != null && proxy == arguments[0];
                case "hashCode" -> System.identityHashCode(proxy);
                case "toString" -> target.toString();
                default -> call.of(proxy, method, arguments);
              };
            }));
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
      if (name.startsWith("execute")) {
        lookForItsEnd();
      }
      Object result = invoke(target, method, arguments);
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
  private static @Nullable Object afterwards(String name) throws SQLException {
    return switch (name) {
      case "close", "free" -> null;
      case "isClosed" -> true;
      case "isValid" -> false;
      default ->
          throw new SQLException(
              "the handler of this connection has returned; "
                  + name
                  + " comes too late, so wait in"
                  + " the handler for everything that writes on its connection",
              NO_CONNECTION);
    };
  }

  private void refuseToEnd(String name, Object @Nullable [] arguments) {
    boolean isSql =
        name.startsWith("execute") || name.startsWith("prepare") || name.equals("addBatch");
    if (isSql
        && arguments != null
        && arguments.length > 0
        && arguments[0] instanceof String sql
        && TransactionEnd.isIn(sql, isMySql)) {
      throw refused(name + " with SQL that ends the transaction");
    }
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

  /** Before each statement, because it would begin another transaction. */
  private void lookForItsEnd() throws SQLException {
    hasEnded = hasEnded || guard.isIdle(real);
  }

  private static InboxException refused(String call) {
    return new InboxException.Misused(
        "a handler called " + call + " on the connection of its message",
        "return from the handler to commit, throw to roll back; savepoints are allowed");
  }
}
