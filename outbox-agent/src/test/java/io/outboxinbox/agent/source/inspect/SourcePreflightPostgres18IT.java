package io.outboxinbox.agent.source.inspect;

import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import org.junit.jupiter.api.extension.RegisterExtension;

class SourcePreflightPostgres18IT extends SourcePreflightContract {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V18);

  @Override
  PostgresExtension postgres() {
    return postgres;
  }
}
