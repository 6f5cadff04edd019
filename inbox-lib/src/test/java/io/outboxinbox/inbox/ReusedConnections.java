package io.outboxinbox.inbox;

import java.io.PrintWriter;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.Logger;
import javax.sql.DataSource;

/** A pool without a limit: closing a connection keeps it for the next who asks. */
final class ReusedConnections implements DataSource, AutoCloseable {
  private final InboxDatabase database;
  private final ConcurrentLinkedQueue<Connection> idle = new ConcurrentLinkedQueue<>();
  private final AtomicInteger borrowed = new AtomicInteger();
  private volatile int borrowedMax = Integer.MAX_VALUE;

  ReusedConnections(InboxDatabase database) {
    this.database = database;
  }

  /** How often a connection was asked for: the transactions that were begun. */
  int borrowed() {
    return borrowed.get();
  }

  /** Gives that many connections more, and then none. */
  void cutOffAfter(int more) {
    borrowedMax = borrowed.get() + more;
  }

  @Override
  public Connection getConnection() throws SQLException {
    if (borrowed.incrementAndGet() > borrowedMax) {
      throw new SQLException("no route to host", "08001");
    }
    Connection known = idle.poll();
    Connection real = known == null ? database.database().connect() : known;
    return (Connection)
        Proxy.newProxyInstance(
            ReusedConnections.class.getClassLoader(),
            new Class<?>[] {Connection.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("close")) {
                if (!real.isClosed()) {
                  idle.add(real);
                }
                return null;
              }
              try {
                return method.invoke(real, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  @Override
  public Connection getConnection(String user, String password) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void close() throws SQLException {
    for (Connection connection : idle) {
      connection.close();
    }
  }

  @Override
  public PrintWriter getLogWriter() {
    throw new UnsupportedOperationException();
  }

  @Override
  public void setLogWriter(PrintWriter out) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void setLoginTimeout(int seconds) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int getLoginTimeout() {
    return 0;
  }

  @Override
  public Logger getParentLogger() {
    throw new UnsupportedOperationException();
  }

  @Override
  public <T> T unwrap(Class<T> type) {
    throw new UnsupportedOperationException();
  }

  @Override
  public boolean isWrapperFor(Class<?> type) {
    return false;
  }
}
