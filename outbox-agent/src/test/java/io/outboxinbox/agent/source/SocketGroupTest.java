package io.outboxinbox.agent.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class SocketGroupTest {
  private ServerSocket silent;
  private SocketGroup group;

  @BeforeEach
  void setUp() throws IOException {
    silent = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
    group = SocketGroup.open();
  }

  @AfterEach
  void tearDown() throws IOException {
    group.close();
    silent.close();
  }

  @Test
  void whoeverWaitsForAnAnswerFailsAtTheLimit() throws IOException {
    Socket ours = connect(group.name());
    Socket another = connect("no group of that name");
    assertThatThrownBy(() -> group.run(Duration.ofMillis(50), () -> read(ours)))
        .hasCauseInstanceOf(SocketException.class);
    assertThat(ours.isClosed()).isTrue();
    assertThat(another.isClosed()).as("of nobody's group").isFalse();
    another.close();
  }

  @Test
  void breaksNothingBeforeTheLimit() throws IOException {
    try (Socket ours = connect(group.name())) {
      group.run(Duration.ofDays(1), () -> assertThat(ours.isConnected()).isTrue());
      assertThat(ours.isClosed()).isFalse();
    }
  }

  /** Debezium takes some failures for a connection that has to be made anew. */
  @Test
  void nobodyConnectsAgainOnceTheLimitIsOver() throws IOException {
    Socket ours = connect(group.name());
    Runnable stubborn =
        () -> {
          assertThatThrownBy(() -> read(ours)).hasCauseInstanceOf(SocketException.class);
          assertThatThrownBy(() -> connect(group.name())).isInstanceOf(IOException.class);
        };
    group.run(Duration.ofMillis(50), stubborn);
    try (Socket later = connect(group.name())) {
      assertThat(later.isConnected()).as("whoever waited is back").isTrue();
    }
  }

  @Test
  void endsWhatIsLeft() throws IOException {
    Socket ours = connect(group.name());
    group.close();
    assertThat(ours.isClosed()).isTrue();
    try (Socket late = connect(group.name())) {
      assertThat(late.isConnected()).as("it is nobody's any more").isTrue();
    }
  }

  private Socket connect(String name) throws IOException {
    Socket socket = new WakefulSocketFactory(name).createSocket();
    socket.connect(silent.getLocalSocketAddress());
    return socket;
  }

  private static void read(Socket socket) {
    try {
      socket.getInputStream().read();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
