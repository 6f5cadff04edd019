package io.outboxinbox.quickstart.stage;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.concurrent.ThreadLocalRandom;

/** TCP ports on the loopback address; 0 stands for any free one. */
public record Ports(int postgres, int kafka, int agent) {
  public static final Ports FREE = new Ports(0, 0, 0);

  // Below the range clients get their ports from, or a client could take the agent's while the
  // agent is being restarted.
  private static final int LOWEST = 15_000;
  private static final int HIGHEST = 32_000;
  private static final int ATTEMPTS_MAX = 1_000;

  /**
   * The same with the agent's port chosen; the servers choose their own.
   *
   * @throws Trouble a port that was asked for is in use
   */
  public Ports settled() throws Trouble {
    requireFree("PostgreSQL", postgres);
    requireFree("Kafka", kafka);
    requireFree("the agent", agent);
    return agent == 0 ? new Ports(postgres, kafka, pick()) : this;
  }

  private static void requireFree(String who, int port) throws Trouble {
    if (port != 0 && !isFree(port)) {
      throw new Trouble(
          "port "
              + port
              + " for "
              + who
              + " is in use; end the program that uses it, name another port in --ports,"
              + " or leave --ports out to get free ones");
    }
  }

  private static int pick() throws Trouble {
    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      int port = ThreadLocalRandom.current().nextInt(LOWEST, HIGHEST);
      if (isFree(port)) {
        return port;
      }
    }
    throw new Trouble("found no free TCP port between " + LOWEST + " and " + HIGHEST);
  }

  private static boolean isFree(int port) {
    try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
      return socket.isBound();
    } catch (IOException taken) {
      return false;
    }
  }
}
