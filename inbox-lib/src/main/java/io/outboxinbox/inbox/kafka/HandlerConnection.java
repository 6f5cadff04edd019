package io.outboxinbox.inbox.kafka;

import io.outboxinbox.inbox.InboxException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import org.jspecify.annotations.Nullable;

/**
 * The connection as a handler gets it: with everything but the end of the transaction. A handler
 * that commits would make half its effects durable, one that rolls back would lose them while the
 * message counts as handled.
 */
final class HandlerConnection {
  private HandlerConnection() {}

  /** Sees what a handler does with its connection. */
  interface Watch {
    /** The handler has made a statement, or has got the connection behind this one. */
    void used();

    /**
     * The handler may have set something that outlives the transaction; a pool resets it when it
     * gets the connection back.
     */
    void sessionChanged();
  }

  /**
   * Wraps a connection for one transaction.
   *
   * @param watch is told what the handler does with it
   */
  static Connection around(Connection connection, Watch watch) {
    return (Connection)
        Proxy.newProxyInstance(
            HandlerConnection.class.getClassLoader(),
            new Class<?>[] {Connection.class},
            (proxy, method, arguments) -> call(connection, watch, method, arguments));
  }

  private static @Nullable Object call(
      Connection connection, Watch watch, Method method, Object @Nullable [] arguments)
      throws Throwable {
    switch (method.getName()) {
      case "commit", "abort" -> throw refused(method);
      case "rollback" -> {
        // To a savepoint it may.
        if (arguments == null) {
          throw refused(method);
        }
      }
      case "setAutoCommit" -> {
        if (arguments != null && Boolean.TRUE.equals(arguments[0])) {
          throw refused(method);
        }
        return null;
      }
      case "close" -> {
        // The runner closes it; many a helper closes what it was given.
        return null;
      }
      default -> {
        // Everything else is the handler's.
        if (isOutliving(method.getName())) {
          watch.sessionChanged();
        }
        if (isUse(method.getName())) {
          watch.used();
        }
      }
    }
    try {
      return method.invoke(connection, arguments);
    } catch (InvocationTargetException e) {
      throw e.getCause() == null ? e : e.getCause();
    }
  }

  private static boolean isOutliving(String method) {
    return method.equals("unwrap") || (method.startsWith("set") && !method.equals("setSavepoint"));
  }

  private static boolean isUse(String method) {
    return method.equals("unwrap")
        || method.equals("createStatement")
        || method.startsWith("prepare");
  }

  private static InboxException refused(Method method) {
    return new InboxException.Misused(
        "a handler called " + method.getName() + " on the connection of its message",
        "return from the handler to commit, throw to roll back; savepoints are allowed");
  }
}
