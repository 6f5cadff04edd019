package io.outboxinbox.inbox.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Handlers that end the transaction of their message, or outlast it. */
class HandlerTransactionIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private ConsumerRig rig;

  @BeforeEach
  void setUp() throws Exception {
    rig = ConsumerRig.of(postgres.newDatabase(), kafka.bootstrapServers(), kafka.newTopic("h", 1));
  }

  @AfterEach
  void tearDown() {
    rig.close();
  }

  private enum End {
    STATEMENT_COMMITS,
    STATEMENT_ROLLS_BACK,
    METADATA_COMMITS,
    ROWS_COMMIT,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SEVERAL,
    PREPARED,
    /** Can only be noticed afterwards. */
    PAST_THE_CONNECTION
  }

  private static void end(End how, Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      switch (how) {
        case STATEMENT_COMMITS -> statement.getConnection().commit();
        case STATEMENT_ROLLS_BACK -> statement.getConnection().rollback();
        case METADATA_COMMITS -> connection.getMetaData().getConnection().commit();
        case ROWS_COMMIT ->
            statement.executeQuery("SELECT 1").getStatement().getConnection().commit();
        case SQL_COMMIT -> statement.execute("COMMIT");
        case SQL_ROLLBACK -> statement.execute("ROLLBACK");
        case SEVERAL -> statement.execute("SELECT 1; COMMIT");
        case PREPARED -> connection.prepareStatement("COMMIT").execute();
        case PAST_THE_CONNECTION -> connection.unwrap(Connection.class).rollback();
      }
    }
  }

  @ParameterizedTest
  @EnumSource(End.class)
  void aHandlerThatEndsItsTransactionHasFailed(End how) throws Exception {
    rig.sendMany(20, 20);
    rig.start(
        rig.builder()
            .threads(1)
            .handler(
                (connection, message) -> {
                  ConsumerRig.addEffect(connection, message);
                  if (message.text().equals("10")) {
                    end(how, connection);
                  }
                }));
    ConsumerRig.eventually().until(() -> rig.committedOffset(0) == 20);
    assertThat(rig.effects()).isEqualTo(19);
    assertThat(rig.number("SELECT count(DISTINCT id) FROM effect")).isEqualTo(19);
    assertThat(rig.deadLetters()).hasSize(1);
  }

  /** Its statements would be in the transaction of another message, or in one of their own. */
  @Test
  void aHandlerThatGoesOnAfterItsReturnWritesNoMore() throws Exception {
    rig.sendMany(2, 1);
    CountDownLatch next = new CountDownLatch(1);
    CountDownLatch written = new CountDownLatch(1);
    AtomicReference<FutureTask<Void>> late = new AtomicReference<>();
    rig.start(
        rig.builder()
            .threads(1)
            .batchMax(1)
            .handler(
                (connection, message) -> {
                  ConsumerRig.addEffect(connection, message);
                  if (late.get() == null) {
                    Statement early = connection.createStatement();
                    late.set(
                        new FutureTask<>(
                            () -> {
                              next.await();
                              assertThatThrownBy(() -> early.execute("DELETE FROM effect"))
                                  .hasMessageContaining("has returned");
                              early.close();
                              ConsumerRig.addEffect(connection, message);
                              return null;
                            }));
                    new Thread(late.get()).start();
                  } else {
                    next.countDown();
                    assertThatThrownBy(() -> late.get().get(60, TimeUnit.SECONDS))
                        .rootCause()
                        .isInstanceOf(SQLException.class)
                        .hasMessageContaining("has returned");
                    written.countDown();
                  }
                }));
    assertThat(written.await(90, TimeUnit.SECONDS)).isTrue();
    ConsumerRig.eventually().until(() -> rig.committedOffset(0) == 2);
    assertThat(rig.effects()).isEqualTo(2);
  }
}
