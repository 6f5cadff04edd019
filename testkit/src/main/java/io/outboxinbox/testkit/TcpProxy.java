package io.outboxinbox.testkit;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The network between an agent and a server, on the loopback address: forwards bytes until it is
 * told to misbehave. Any thread may use it; who opens it closes it.
 */
public final class TcpProxy implements AutoCloseable {

  /** Sees what a client sends on one connection, before it is forwarded. */
  public interface Watcher {
    /** May change the network: the bytes seen are forwarded only if it then still lets them. */
    void sees(byte[] bytes, int length);
  }

  /** What the network does to a connection. */
  private enum Mode {
    /** Forwards both ways. */
    OPEN,
    /** Forwards to the server, keeps its answers back. */
    NO_ANSWERS,
    /** Forwards nothing and hides that either side has gone. */
    SILENT
  }

  private static final int CHUNK_BYTES = 16 * 1024;
  private static final int BEGINNING_BYTES = 16 * 1024;
  private static final long LOOK_EVERY_MILLIS = 5;
  private static final long ENDS_WITHIN_MILLIS = 5_000;

  private final int port = FreePorts.pick();
  private final int targetPort;
  private final Supplier<Watcher> watchers;
  private final Set<Link> links = ConcurrentHashMap.newKeySet();
  private volatile Mode mode = Mode.OPEN;
  private volatile long latencyMillis;
  private volatile long bytesPerSecond = Long.MAX_VALUE;
  private volatile boolean isCut;
  private @Nullable ServerSocket door;
  private @Nullable Thread doorkeeper;

  private TcpProxy(int targetPort, Supplier<Watcher> watchers) {
    this.targetPort = targetPort;
    this.watchers = watchers;
  }

  /** Opens a way to a port of this machine. */
  public static TcpProxy to(int targetPort) {
    return watched(targetPort, () -> (bytes, length) -> {});
  }

  /**
   * Opens a way that is watched.
   *
   * @param watchers gives one for each connection; called on the proxy's threads
   */
  public static TcpProxy watched(int targetPort, Supplier<Watcher> watchers) {
    TcpProxy proxy = new TcpProxy(targetPort, watchers);
    proxy.open();
    return proxy;
  }

  /** Where clients connect. */
  public int port() {
    return port;
  }

  private synchronized void open() {
    try {
      ServerSocket opened = new ServerSocket();
      opened.setReuseAddress(true);
      opened.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
      door = opened;
      doorkeeper = daemon("accept", () -> accept(opened));
    } catch (IOException e) {
      throw new UncheckedIOException("the proxy cannot listen on port " + port, e);
    }
  }

  /** Breaks all connections and refuses new ones, as a server or cable that is gone. */
  public synchronized void cut() {
    isCut = true;
    ServerSocket opened = door;
    door = null;
    Thread keeper = doorkeeper;
    if (opened != null && keeper != null) {
      close(opened);
      // The port is free only when nobody waits at it any more.
      awaitEnd(keeper);
    }
    links.forEach(Link::close);
  }

  /** Forwards nothing any more, and tells nobody: both sides take their connections for healthy. */
  public void blackhole() {
    mode = Mode.SILENT;
    links.forEach(link -> link.mode = Mode.SILENT);
  }

  /**
   * Silences the connections that exist and lets new ones work, as a firewall that forgot them. The
   * server is not told even if the client goes.
   */
  public void forget() {
    links.forEach(link -> link.mode = Mode.SILENT);
  }

  /**
   * As {@link #forget()}, but only those connections on which a client has sent this text early.
   */
  public void forget(String sent) {
    links.stream().filter(link -> link.hasSent(sent)).forEach(link -> link.mode = Mode.SILENT);
  }

  /** Lets requests through and keeps the answers back. */
  public void holdAnswers() {
    mode = Mode.NO_ANSWERS;
    links.forEach(link -> link.mode = Mode.NO_ANSWERS);
  }

  /** Delays every packet, each way. */
  public void latency(Duration oneWay) {
    latencyMillis = oneWay.toMillis();
  }

  /** Limits each connection, each way. */
  public void bandwidth(long newBytesPerSecond) {
    bytesPerSecond = newBytesPerSecond;
  }

  /** Repairs everything; what was kept back arrives, what was cut stays cut. */
  public synchronized void restore() {
    latencyMillis = 0;
    bytesPerSecond = Long.MAX_VALUE;
    mode = Mode.OPEN;
    links.forEach(link -> link.mode = Mode.OPEN);
    isCut = false;
    if (door == null) {
      open();
    }
  }

  /** How many connections there are. */
  public int connections() {
    return links.size();
  }

  private void accept(ServerSocket opened) {
    while (!opened.isClosed()) {
      try {
        Socket client = opened.accept();
        Socket server = new Socket();
        Link link = new Link(client, server);
        links.add(link);
        daemon("connect", link::run);
      } catch (IOException closed) {
        return;
      }
    }
  }

  private static Thread daemon(String name, Runnable run) {
    Thread thread = new Thread(run, "proxy-" + name);
    thread.setDaemon(true);
    thread.start();
    return thread;
  }

  private static void awaitEnd(Thread ending) {
    try {
      ending.join(ENDS_WITHIN_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void close(AutoCloseable closing) {
    try {
      closing.close();
    } catch (Exception alreadyBroken) {
      // Nobody is left to care.
      return;
    }
  }

  @Override
  public void close() {
    cut();
  }

  /** One connection of a client, and ours to the server for it. */
  private final class Link {
    private final Socket client;
    private final Socket server;
    private final Watcher watcher = watchers.get();
    private volatile String beginning = "";
    private volatile Mode mode = TcpProxy.this.mode;

    Link(Socket client, Socket server) {
      this.client = client;
      this.server = server;
    }

    void run() {
      try {
        client.setTcpNoDelay(true);
        server.setTcpNoDelay(true);
        server.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), targetPort));
      } catch (IOException refused) {
        close();
        return;
      }
      daemon("answers", () -> pump(server, client, false));
      pump(client, server, true);
    }

    private void pump(Socket from, Socket to, boolean isRequest) {
      byte[] chunk = new byte[CHUNK_BYTES];
      try {
        InputStream in = from.getInputStream();
        OutputStream out = to.getOutputStream();
        for (int read = in.read(chunk); read >= 0; read = in.read(chunk)) {
          if (isRequest) {
            watcher.sees(chunk, read);
            remember(chunk, read);
          }
          awaitPassage(isRequest, read);
          out.write(chunk, 0, read);
        }
        awaitPassage(isRequest, 0);
      } catch (IOException | InterruptedException broken) {
        // Either side has gone; the other is told once the network lets it.
        awaitQuietly(isRequest);
      } finally {
        close();
      }
    }

    private void remember(byte[] chunk, int length) {
      String before = beginning;
      if (before.length() < BEGINNING_BYTES) {
        beginning = before + new String(chunk, 0, length, StandardCharsets.ISO_8859_1);
      }
    }

    boolean hasSent(String text) {
      return beginning.contains(text);
    }

    private void awaitPassage(boolean isRequest, int bytes)
        throws InterruptedException, IOException {
      long paceMillis = bytes * 1000L / bytesPerSecond;
      Thread.sleep(latencyMillis + paceMillis);
      while (mode == Mode.SILENT || (mode == Mode.NO_ANSWERS && !isRequest)) {
        if (isCut) {
          break;
        }
        Thread.sleep(LOOK_EVERY_MILLIS);
      }
      if (isCut) {
        throw new IOException("cut");
      }
    }

    private void awaitQuietly(boolean isRequest) {
      try {
        awaitPassage(isRequest, 0);
      } catch (IOException | InterruptedException cut) {
        return;
      }
    }

    void close() {
      links.remove(this);
      TcpProxy.close(client);
      TcpProxy.close(server);
    }
  }
}
