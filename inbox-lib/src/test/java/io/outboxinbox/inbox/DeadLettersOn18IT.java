package io.outboxinbox.inbox;

import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import org.junit.jupiter.api.extension.RegisterExtension;

class DeadLettersOn18IT extends DeadLettersIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V18);

  @Override
  PostgresExtension server() {
    return postgres;
  }
}
