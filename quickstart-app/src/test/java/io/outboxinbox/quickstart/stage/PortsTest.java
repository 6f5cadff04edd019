package io.outboxinbox.quickstart.stage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.InetAddress;
import java.net.ServerSocket;
import org.junit.jupiter.api.Test;

class PortsTest {
  @Test
  void choosesAFreePortForTheAgent() throws Trouble {
    assertThat(Ports.FREE.settled().agent()).isBetween(15_000, 32_000);
  }

  @Test
  void saysWhosePortIsInUseAndWhatToDo() throws Exception {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      Ports ports = new Ports(0, taken.getLocalPort(), 0);

      assertThatThrownBy(ports::settled)
          .isInstanceOf(Trouble.class)
          .hasMessageStartingWith("port " + taken.getLocalPort() + " for Kafka is in use;")
          .hasMessageContaining("--ports");
    }
  }
}
