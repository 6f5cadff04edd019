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
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

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

  /** Adds a socket that is not connected yet to the group of that name, if it is open. */
  static void join(String name, Socket socket) {
    SocketGroup group = OPEN.get(name);
    if (group != null) {
      group.sockets.add(socket);
    }
  }

  /**
   * Runs what waits for answers on these connections.
   *
   * @param within after this long they are broken, so that it fails
   */
  public void run(Duration within, Runnable waiting) {
    Executor later = CompletableFuture.delayedExecutor(within.toMillis(), TimeUnit.MILLISECONDS);
    CompletableFuture<Void> overdue = CompletableFuture.runAsync(() -> breakAll(within), later);
    try {
      waiting.run();
    } finally {
      overdue.cancel(false);
    }
  }

  private void breakAll(Duration within) {
    LOG.warn("no answer within {}: ending the connections that read the log", within);
    breakAll();
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
