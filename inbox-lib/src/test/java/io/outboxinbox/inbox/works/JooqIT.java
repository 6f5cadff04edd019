package io.outboxinbox.inbox.works;

import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.inbox.Outcome;
import java.util.List;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** {@code dsl.transaction(...)}. */
class JooqIT extends EffectsOnceContract {
  private DSLContext dsl;

  @Override
  boolean consume(MessageId id, Step afterEffect) {
    Outcome outcome =
        dsl.transactionResult(
            transaction -> {
              // The trap: only the DSL of the lambda's parameter is in the transaction. The one
              // outside would take another connection, and its statements commit by themselves.
              DSLContext inside = transaction.dsl();
              Outcome answer =
                  inside.connectionResult(connection -> notTooOld(inbox.admit(connection, id)));
              if (answer.isNew()) {
                inside.execute("INSERT INTO reservation (order_id) VALUES (?)", id.text());
                afterEffect.run();
              }
              return answer;
            });
    inbox.committed(List.of(outcome));
    return outcome.isNew();
  }

  @Override
  void misuse(MessageId id) {
    dsl.connection(connection -> inbox.admit(connection, id));
  }

  @Override
  void start() {
    dsl = DSL.using(dataSource(), SQLDialect.POSTGRES);
  }
}
