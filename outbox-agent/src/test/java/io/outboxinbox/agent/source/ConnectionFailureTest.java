package io.outboxinbox.agent.source;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.event.Finding;
import io.outboxinbox.agent.source.SourceConfiguration.ExistingRows;
import io.outboxinbox.agent.source.SourceConfiguration.Layout;
import io.outboxinbox.agent.source.SourceConfiguration.OnGap;
import io.outboxinbox.agent.source.SourceConfiguration.SslMode;
import io.outboxinbox.agent.source.inspect.SourcePreflight;
import java.net.SocketTimeoutException;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import javax.net.ssl.SSLHandshakeException;
import org.junit.jupiter.api.Test;

/** Failures that a server on the loopback address does not show; BrokenServerIT has the others. */
class ConnectionFailureTest {
  private static final SourceConfiguration CONFIG =
      new SourceConfiguration(
          "db",
          5432,
          "shop",
          "agent",
          null,
          Path.of("no-such-password-file"),
          SslMode.VERIFY_FULL,
          null,
          "public",
          "outbox_event",
          "p",
          "s",
          Layout.STANDARD,
          Map.of(),
          List.of(),
          null,
          ExistingRows.PUBLISH,
          OnGap.STOP,
          true,
          1);

  private static String explained(SQLException failure) {
    Finding finding = ConnectionFailure.explain(failure, CONFIG);
    assertThat(finding.fix()).isNotEmpty();
    return finding.what();
  }

  @Test
  void namesNetworkFaultBehindDriversException() {
    assertThat(explained(new SQLException("x", "08001", new SocketTimeoutException())))
        .isEqualTo("db:5432 did not answer within 5 s");
    assertThat(explained(new SQLException("x", "08006", new SSLHandshakeException("unknown CA"))))
        .isEqualTo(
            "the certificate of db:5432 does not pass source.sslMode=VERIFY_FULL: unknown CA");
  }

  @Test
  void namesServersRefusal() {
    assertThat(explained(new SQLException("x", "53300")))
        .isEqualTo("db:5432 has no connection left for role agent");
    assertThat(explained(new SQLException("x", "57P03")))
        .isEqualTo("db:5432 is starting up or shutting down");
  }

  @Test
  void passesUnknownFailureOn() {
    assertThat(explained(new SQLException("something else")))
        .isEqualTo("cannot connect to db:5432: something else (SQLState none)");
  }

  @Test
  void reportsMissingPasswordFileAsFinding() {
    assertThat(SourcePreflight.check(CONFIG, false))
        .singleElement()
        .satisfies(
            finding -> {
              assertThat(finding.what())
                  .startsWith("source.passwordFile no-such-password-file does not exist");
              assertThat(finding.fix()).isEqualTo("correct source.passwordFile");
            });
  }
}
