package io.outboxinbox.agent.source;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.Socket;
import java.net.StandardSocketOptions;
import jdk.net.ExtendedSocketOptions;
import org.junit.jupiter.api.Test;

class WakefulSocketFactoryTest {
  @Test
  void asksASilentPeerWithinAMinute() throws Exception {
    try (Socket socket = new WakefulSocketFactory(null).createSocket()) {
      assertThat(socket.getOption(StandardSocketOptions.SO_KEEPALIVE)).isTrue();
      if (socket.supportedOptions().contains(ExtendedSocketOptions.TCP_KEEPIDLE)) {
        int idle = socket.getOption(ExtendedSocketOptions.TCP_KEEPIDLE);
        int interval = socket.getOption(ExtendedSocketOptions.TCP_KEEPINTERVAL);
        int count = socket.getOption(ExtendedSocketOptions.TCP_KEEPCOUNT);
        assertThat(idle + interval * count).isLessThanOrEqualTo(60);
      }
    }
  }
}
