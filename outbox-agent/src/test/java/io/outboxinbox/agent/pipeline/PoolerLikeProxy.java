package io.outboxinbox.agent.pipeline;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Stands before PostgreSQL and treats what a client sends while connecting as poolers do. PgBouncer
 * 1.18 answers "FATAL: unsupported startup parameter: options", and the same for {@code
 * replication}, both with SQLState 08P01; with {@code ignore_startup_parameters = options} it drops
 * those without a word. Others drop both.
 */
final class PoolerLikeProxy implements AutoCloseable {
  /** What becomes of a parameter. */
  enum Treatment {
    REFUSE,
    DROP,
    PASS
  }

  private static final Logger LOG = LoggerFactory.getLogger(PoolerLikeProxy.class);
  private static final int SSL_REQUEST = 80877103;

  private final ServerSocket listener;
  private final int serverPort;
  private final Treatment options;
  private final Treatment replication;
  private final List<Socket> sockets = new CopyOnWriteArrayList<>();

  PoolerLikeProxy(int serverPort, Treatment options, Treatment replication) throws IOException {
    this.listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    this.serverPort = serverPort;
    this.options = options;
    this.replication = replication;
    start("accept", this::accept);
  }

  int port() {
    return listener.getLocalPort();
  }

  private interface Work {
    void run() throws IOException;
  }

  private static void start(String name, Work work) {
    Thread thread =
        new Thread(
            () -> {
              try {
                work.run();
              } catch (IOException e) {
                LOG.debug("one side has gone away, or the test is over", e);
              }
            },
            "pooler-" + name);
    thread.setDaemon(true);
    thread.start();
  }

  private void accept() throws IOException {
    while (!listener.isClosed()) {
      Socket client = listener.accept();
      sockets.add(client);
      start("client", () -> serve(client));
    }
  }

  private void serve(Socket client) throws IOException {
    DataInputStream in = new DataInputStream(client.getInputStream());
    DataOutputStream out = new DataOutputStream(client.getOutputStream());
    int length = in.readInt();
    int code = in.readInt();
    if (code == SSL_REQUEST) {
      out.write('N');
      length = in.readInt();
      code = in.readInt();
    }
    Map<String, String> parameters = parameters(in.readNBytes(length - 8));
    if (isRefused(out, parameters, "replication", replication)
        || isRefused(out, parameters, "options", options)) {
      client.close();
      return;
    }
    Socket server = new Socket(InetAddress.getLoopbackAddress(), serverPort);
    sockets.add(server);
    DataOutputStream toServer = new DataOutputStream(server.getOutputStream());
    byte[] packed = packed(parameters);
    toServer.writeInt(packed.length + 8);
    toServer.writeInt(code);
    toServer.write(packed);
    toServer.flush();
    start("server", () -> copy(server.getInputStream(), out));
    copy(in, toServer);
  }

  private static boolean isRefused(
      DataOutputStream out, Map<String, String> parameters, String name, Treatment treatment)
      throws IOException {
    if (treatment == Treatment.PASS || !parameters.containsKey(name)) {
      return false;
    }
    if (treatment == Treatment.DROP) {
      parameters.remove(name);
      return false;
    }
    byte[] fields =
        ("SFATAL\0C08P01\0Munsupported startup parameter: " + name + "\0\0")
            .getBytes(StandardCharsets.UTF_8);
    out.write('E');
    out.writeInt(fields.length + 4);
    out.write(fields);
    out.flush();
    return true;
  }

  private static Map<String, String> parameters(byte[] body) {
    String[] texts = new String(body, StandardCharsets.UTF_8).split("\0", -1);
    Map<String, String> parameters = new LinkedHashMap<>();
    for (int i = 0; i + 1 < texts.length && !texts[i].isEmpty(); i += 2) {
      parameters.put(texts[i], texts[i + 1]);
    }
    return parameters;
  }

  private static byte[] packed(Map<String, String> parameters) {
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    parameters.forEach(
        (name, value) ->
            body.writeBytes((name + "\0" + value + "\0").getBytes(StandardCharsets.UTF_8)));
    body.write(0);
    return body.toByteArray();
  }

  private static void copy(InputStream from, OutputStream to) throws IOException {
    byte[] buffer = new byte[8192];
    for (int n = from.read(buffer); n >= 0; n = from.read(buffer)) {
      to.write(buffer, 0, n);
      to.flush();
    }
  }

  @Override
  public void close() {
    try {
      listener.close();
      for (Socket socket : sockets) {
        socket.close();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
