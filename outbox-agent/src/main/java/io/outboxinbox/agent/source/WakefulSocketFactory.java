package io.outboxinbox.agent.source;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketOption;
import java.net.StandardSocketOptions;
import java.util.Map;
import java.util.Set;
import javax.net.SocketFactory;
import jdk.net.ExtendedSocketOptions;
import org.jspecify.annotations.Nullable;

/**
 * Sockets to the database that find out within a minute when nobody is at the other end. The kernel
 * asks for the first time after two hours otherwise, and a firewall may have forgotten a silent
 * connection long before. The driver makes it by name, so it and its constructor are public.
 *
 * <p>Sockets of connections that name a {@link SocketGroup} belong to it.
 */
public final class WakefulSocketFactory extends SocketFactory {
  private static final Map<SocketOption<Integer>, Integer> OPTIONS =
      Map.of(
          ExtendedSocketOptions.TCP_KEEPIDLE, 30,
          ExtendedSocketOptions.TCP_KEEPINTERVAL, 10,
          ExtendedSocketOptions.TCP_KEEPCOUNT, 3);

  private final @Nullable String group;

  /**
   * Makes one for a connection.
   *
   * @param group its {@code socketFactoryArg}, null for none
   */
  public WakefulSocketFactory(@Nullable String group) {
    this.group = group;
  }

  @Override
  public Socket createSocket() throws IOException {
    Socket socket = new Socket();
    if (group != null) {
      SocketGroup.join(group, socket);
    }
    socket.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
    Set<SocketOption<?>> supported = socket.supportedOptions();
    for (Map.Entry<SocketOption<Integer>, Integer> option : OPTIONS.entrySet()) {
      // Not every system has them; there the kernel's own times hold.
      if (supported.contains(option.getKey())) {
        socket.setOption(option.getKey(), option.getValue());
      }
    }
    return socket;
  }

  @Override
  public Socket createSocket(String host, int port) {
    throw unsupported();
  }

  @Override
  public Socket createSocket(String host, int port, InetAddress from, int fromPort) {
    throw unsupported();
  }

  @Override
  public Socket createSocket(InetAddress host, int port) {
    throw unsupported();
  }

  @Override
  public Socket createSocket(InetAddress host, int port, InetAddress from, int fromPort) {
    throw unsupported();
  }

  private static UnsupportedOperationException unsupported() {
    return new UnsupportedOperationException("the driver connects by itself, to bound the time");
  }
}
