package io.outboxinbox.agent.source.log;

import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import org.junit.jupiter.api.extension.RegisterExtension;

class LogReaderPostgres18IT extends LogReaderContract {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V18);

  @Override
  PostgresExtension postgres() {
    return postgres;
  }
}
