package io.outboxinbox.inbox;

import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import org.junit.jupiter.api.extension.RegisterExtension;

class WatermarkIT extends WatermarkContract {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @Override
  InboxDatabase create() throws Exception {
    return InboxDatabase.create(postgres);
  }
}
