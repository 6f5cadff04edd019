package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.inbox.Outcome.Status;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.util.List;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class WatermarkIT extends WatermarkContract {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @Override
  InboxDatabase create() throws Exception {
    return InboxDatabase.create(postgres);
  }

  /** As after a switch to a copy whose cluster has given fewer numbers. */
  @ParameterizedTest
  @EnumSource(names = {"IDS", "WATERMARK"})
  void whereANumberIsAheadTellsByTheMessageWhetherItWasCommitted(InboxMode mode) throws Exception {
    Inbox used = inbox(mode);
    Arrival copied = arrival(0, 1, 5);
    try (Connection connection = create().connect()) {
      long ahead = used.admit(connection, copied).transaction() + 1_000_000;
      connection.commit();
      assertThat(used.isCommitted(connection, List.of(new Outcome(copied, Status.NEW, ahead))))
          .isTrue();
      Outcome lost = new Outcome(arrival(0, 1, 6), Status.NEW, ahead);
      assertThat(used.isCommitted(connection, List.of(lost))).isFalse();
    }
  }
}
