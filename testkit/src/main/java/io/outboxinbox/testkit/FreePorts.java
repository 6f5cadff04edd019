package io.outboxinbox.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Picks TCP ports on the loopback address that a server can take, lose and take again: no other
 * process is given the same port as long as this one lives. Thread-safe.
 */
public final class FreePorts {
  // Below Linux's ephemeral range (32768-60999). A client that reconnects to a stopped server's
  // ephemeral port can be given that
  // very port as its own, connects to itself and keeps the server from coming back.
  private static final int LOWEST = 15_000;
  private static final int HIGHEST = 32_000;
  private static final int ATTEMPTS_MAX = 1_000;

  private static final Set<Integer> OURS = ConcurrentHashMap.newKeySet();

  private FreePorts() {}

  /**
   * A port nobody listens on, and that nobody else is given by this method.
   *
   * @throws IllegalStateException there is none
   * @throws UncheckedIOException the file that keeps others from it cannot be written
   */
  public static int pick() {
    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      int port = ThreadLocalRandom.current().nextInt(LOWEST, HIGHEST);
      if (OURS.add(port) && claim(port) && isFree(port)) {
        return port;
      }
    }
    throw new IllegalStateException(
        "no free TCP port found between "
            + LOWEST
            + " and "
            + HIGHEST
            + " on the loopback address");
  }

  /** Between a server's stop and its next start its port looks free to everybody. */
  private static boolean claim(int port) {
    try {
      // Never released: closing any channel of this file would release every port of this process.
      return Claims.FILE.tryLock(port, 1, false) != null;
    } catch (IOException e) {
      throw new UncheckedIOException("port " + port + " cannot be claimed", e);
    }
  }

  /** A file whose byte n is locked by whoever uses port n; locks go with their process. */
  private static final class Claims {
    static final FileChannel FILE = open();

    private static FileChannel open() {
      Path file =
          Path.of(
              System.getProperty("java.io.tmpdir"),
              "outbox-inbox-testkit-ports-" + System.getProperty("user.name"));
      try {
        return FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      } catch (IOException e) {
        throw new UncheckedIOException("file for claimed ports cannot be opened: " + file, e);
      }
    }
  }

  private static boolean isFree(int port) {
    try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
      return socket.isBound();
    } catch (IOException taken) {
      return false;
    }
  }
}
