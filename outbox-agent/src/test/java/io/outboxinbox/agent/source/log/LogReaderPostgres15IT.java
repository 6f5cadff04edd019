package io.outboxinbox.agent.source.log;

import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import org.junit.jupiter.api.extension.RegisterExtension;

class LogReaderPostgres15IT extends LogReaderContract {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V15);

  @Override
  PostgresExtension postgres() {
    return postgres;
  }
}
