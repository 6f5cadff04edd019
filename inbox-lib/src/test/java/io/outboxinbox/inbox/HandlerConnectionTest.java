package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/**
 * MariaDB's driver cancels whatever runs on the session, not only what the statement has begun.
 * These statements are of no database, so that one is at hand when it is wanted.
 */
class HandlerConnectionTest {
  private final AtomicInteger cancelled = new AtomicInteger();
  private final CountDownLatch isCancelling = new CountDownLatch(1);
  private final CountDownLatch goOn = new CountDownLatch(1);

  private interface Answer {
    Object to(String method) throws Exception;
  }

  private static <T> T fake(Class<T> type, Answer answer) {
    return type.cast(
        Proxy.newProxyInstance(
            HandlerConnectionTest.class.getClassLoader(),
            new Class<?>[] {type},
            (proxy, method, arguments) -> answer.to(method.getName())));
  }

  private HandlerConnection given() throws Exception {
    return given(HandlerConnection.Caller.HANDLER);
  }

  private HandlerConnection given(HandlerConnection.Caller caller) throws Exception {
    DatabaseMetaData metadata = fake(DatabaseMetaData.class, method -> "MySQL");
    Statement statement =
        fake(
            Statement.class,
            method -> {
              if (method.equals("cancel")) {
                isCancelling.countDown();
                goOn.await();
                cancelled.incrementAndGet();
              }
              return null;
            });
    Connection real =
        fake(
            Connection.class,
            method ->
                switch (method) {
                  case "getMetaData" -> metadata;
                  case "createStatement" -> statement;
                  case "isClosed" -> false;
                  default -> throw new UnsupportedOperationException(method);
                });
    return new HandlerConnection(real, new CommitGuard(), HandlerConnection.Watch.NONE, caller, 0);
  }

  @Test
  void cancelsNothingOfTheNextMessage() throws Exception {
    HandlerConnection given = given();
    Statement statement = given.connection().createStatement();
    goOn.countDown();
    statement.cancel();
    assertThat(cancelled).hasValue(1);
    given.close();
    statement.cancel();
    assertThat(cancelled).hasValue(1);
  }

  @Test
  void endsTheHandlersTimeBehindACancelThatIsUnderWay() throws Exception {
    HandlerConnection given = given();
    Statement statement = given.connection().createStatement();
    Thread late =
        new Thread(
            () -> {
              try {
                statement.cancel();
              } catch (SQLException e) {
                throw new IllegalStateException(e);
              }
            });
    late.start();
    isCancelling.await();
    AtomicInteger cancelledBefore = new AtomicInteger(-1);
    Thread end =
        new Thread(
            () -> {
              given.close();
              cancelledBefore.set(cancelled.get());
            });
    end.start();
    Awaitility.await().until(() -> end.getState() == Thread.State.WAITING || !end.isAlive());
    goOn.countDown();
    end.join();
    late.join();
    assertThat(cancelledBefore).hasValue(1);
  }

  @Test
  void aRefusalSaysWhoseTransactionItIsAndWhatToUse() throws Exception {
    assertThatThrownBy(() -> given().connection().commit())
        .isInstanceOf(InboxException.Misused.class)
        .hasMessageContaining("a handler called commit on the connection of its message")
        .hasMessageContaining("CREATE TEMPORARY TABLE");
    assertThatThrownBy(() -> given(HandlerConnection.Caller.WORK).connection().commit())
        .isInstanceOf(InboxException.Misused.class)
        .hasMessageContaining("work called commit on the connection it was given")
        .hasMessageContaining("return from the work to commit");
  }
}
