package io.outboxinbox.testkit;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.time.Duration;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class TcpProxyTest {
  private static final Duration LIMIT = Duration.ofSeconds(10);
  private static final int SILENCE_MILLIS = 200;

  private ServerSocket server;
  private TcpProxy proxy;
  private Socket client;
  private Socket accepted;

  @BeforeEach
  void connect() throws IOException {
    server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
    proxy = TcpProxy.to(server.getLocalPort());
    client = dial();
    accepted = server.accept();
    client.setSoTimeout(SILENCE_MILLIS);
    accepted.setSoTimeout(SILENCE_MILLIS);
  }

  @AfterEach
  void close() throws IOException {
    proxy.close();
    client.close();
    accepted.close();
    server.close();
  }

  private Socket dial() throws IOException {
    return new Socket(InetAddress.getLoopbackAddress(), proxy.port());
  }

  private static void send(Socket from, int value) throws IOException {
    from.getOutputStream().write(value);
  }

  private static void assertArrives(Socket at, int value) {
    Awaitility.await()
        .atMost(LIMIT)
        .ignoreExceptions()
        .until(() -> at.getInputStream().read() == value);
  }

  private static void assertSilent(Socket at) {
    assertThatThrownBy(() -> at.getInputStream().read()).isInstanceOf(SocketTimeoutException.class);
  }

  private static void assertEnds(Socket at) {
    Awaitility.await()
        .atMost(LIMIT)
        .until(
            () -> {
              try {
                return at.getInputStream().read() < 0;
              } catch (SocketTimeoutException stillOpen) {
                return false;
              } catch (IOException reset) {
                return true;
              }
            });
  }

  @Test
  void forwardsBothWaysAndTellsOfTheEnd() throws IOException {
    send(client, 1);
    assertArrives(accepted, 1);
    send(accepted, 2);
    assertArrives(client, 2);
    client.close();
    assertEnds(accepted);
  }

  @Test
  void cutBreaksConnectionsAndRefusesNewOnesUntilRestored() throws IOException {
    proxy.cut();
    assertEnds(client);
    assertEnds(accepted);
    assertThatThrownBy(this::dial).isInstanceOf(IOException.class);
    proxy.restore();
    try (Socket again = dial();
        Socket acceptedAgain = server.accept()) {
      send(again, 3);
      assertArrives(acceptedAgain, 3);
    }
  }

  @Test
  void blackholeHoldsBytesBackAndHidesTheEnd() throws IOException {
    proxy.blackhole();
    send(client, 1);
    assertSilent(accepted);
    client.close();
    assertSilent(accepted);
    proxy.restore();
    assertArrives(accepted, 1);
    assertEnds(accepted);
  }

  @Test
  void forgetSilencesOldConnectionsAndLetsNewOnesWork() throws IOException {
    proxy.forget();
    send(client, 1);
    assertSilent(accepted);
    try (Socket other = dial();
        Socket acceptedOther = server.accept()) {
      send(other, 2);
      assertArrives(acceptedOther, 2);
    }
  }

  @Test
  void holdAnswersLetsRequestsThrough() throws IOException {
    proxy.holdAnswers();
    send(client, 1);
    assertArrives(accepted, 1);
    send(accepted, 2);
    assertSilent(client);
    proxy.cut();
    assertEnds(client);
  }

  @Test
  void latencyDelays() throws IOException {
    proxy.latency(Duration.ofMillis(3L * SILENCE_MILLIS));
    send(client, 1);
    assertSilent(accepted);
    assertArrives(accepted, 1);
  }
}
