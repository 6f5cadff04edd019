package io.outboxinbox.testkit;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Picks TCP ports on the loopback address that a server can take, lose and take again. Thread-safe.
 */
public final class FreePorts {
  // Below Linux's ephemeral range (32768-60999). A client that reconnects to a stopped server's
  // ephemeral port can be given that
  // very port as its own, connects to itself and keeps the server from coming back.
  private static final int LOWEST = 15_000;
  private static final int HIGHEST = 32_000;
  private static final int ATTEMPTS_MAX = 1_000;

  private FreePorts() {}

  /** A port nobody listens on; nothing keeps others from taking it. */
  public static int pick() {
    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      int port = ThreadLocalRandom.current().nextInt(LOWEST, HIGHEST);
      if (isFree(port)) {
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

  private static boolean isFree(int port) {
    try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
      return socket.isBound();
    } catch (IOException taken) {
      return false;
    }
  }
}
