package io.outboxinbox.agent.source;

import java.io.IOException;
import java.net.Socket;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/**
 * Connections that somebody else opens and waits on, such as Debezium's: while the network keeps
 * silent a thread of theirs waits for an answer for ever, and whoever wants to close them waits for
 * that thread. Broken together, all of them fail at once. Any thread may use it; who opens it
 * closes it.
 */
public final class SocketGroup implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(SocketGroup.class);

  /** The driver makes the sockets and knows of a group no more than its name. */
  private static final Map<String, SocketGroup> OPEN = new ConcurrentHashMap<>();

  private final String name = UUID.randomUUID().toString();
  private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
  private volatile boolean isOverdue;

  private SocketGroup() {}

  /** A group without sockets. */
  public static SocketGroup open() {
    SocketGroup group = new SocketGroup();
    OPEN.put(group.name, group);
    return group;
  }

  /** The driver's {@code socketFactoryArg} of connections that belong to it. */
  public String name() {
    return name;
  }

  /**
   * Adds a socket that is not connected yet to the group of that name.
   *
   * @throws IOException the group is closed or overdue: whoever connects is to end, and nobody
   *     would end the connection
   */
  static void join(String name, Socket socket) throws IOException {
    SocketGroup group = OPEN.get(name);
    if (group != null) {
      group.sockets.removeIf(Socket::isClosed);
      group.sockets.add(socket);
    }
    // Last: whoever ends them has seen it by now, or is seen here.
    if (group == null || group.isOverdue || !OPEN.containsKey(name)) {
      socket.close();
      throw new IOException("nobody connects again: no answer came in time, or reading has ended");
    }
  }

  /**
   * Runs what waits for answers on these connections.
   *
   * @param within after this long they are broken, so that it fails
   */
  public void run(Duration within, Runnable waiting) {
    // On a thread of its own: a shared one may be as stuck as what it is to free.
    Executor later =
        CompletableFuture.delayedExecutor(
            within.toMillis(), TimeUnit.MILLISECONDS, end -> new Thread(end, "overdue").start());
    @Nullable String pipeline = MDC.get("pipeline");
    AtomicBoolean isWaiting = new AtomicBoolean(true);
    CompletableFuture<Void> overdue =
        CompletableFuture.runAsync(
            () -> {
              if (endOverdue(isWaiting)) {
                MDC.put("pipeline", pipeline);
                LOG.warn("no answer within {}: ending the connections that wait for one", within);
              }
            },
            later);
    try {
      waiting.run();
    } finally {
      overdue.cancel(false);
      synchronized (sockets) {
        isWaiting.set(false);
        isOverdue = false;
      }
    }
  }

  /** Unless the answer has come just now. */
  private boolean endOverdue(AtomicBoolean isWaiting) {
    synchronized (sockets) {
      if (!isWaiting.get()) {
        return false;
      }
      isOverdue = true;
      breakAll();
      return true;
    }
  }

  /** Ends all connections there are; later ones are not hindered. */
  public void breakAll() {
    sockets.forEach(SocketGroup::end);
  }

  private static void end(Socket socket) {
    try {
      socket.close();
    } catch (IOException e) {
      LOG.debug("closing a connection failed", e);
    }
  }

  /** Ends what nobody has closed. */
  @Override
  public void close() {
    OPEN.remove(name);
    breakAll();
  }
}
