package io.outboxinbox.agent.source.inspect;

import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import org.junit.jupiter.api.extension.RegisterExtension;

class SourcePreflightPostgres17IT extends SourcePreflightContract {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @Override
  PostgresExtension postgres() {
    return postgres;
  }
}
