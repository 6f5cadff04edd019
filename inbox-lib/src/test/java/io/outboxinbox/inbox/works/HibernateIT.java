package io.outboxinbox.inbox.works;

import io.outboxinbox.inbox.MessageId;
import io.outboxinbox.inbox.Outcome;
import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.Id;
import jakarta.persistence.Table;
import java.util.List;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.Transaction;
import org.hibernate.cfg.Configuration;
import org.hibernate.cfg.JdbcSettings;

/** JPA entities; with an {@code EntityManager}, {@code unwrap(Session.class)} leads here. */
class HibernateIT extends EffectsOnceContract {
  @Entity
  @Table(name = "reservation")
  static class Reservation {
    @Id
    @Column(name = "order_id")
    String orderId;

    protected Reservation() {}

    Reservation(String orderId) {
      this.orderId = orderId;
    }
  }

  private SessionFactory factory;

  @Override
  boolean consume(MessageId id, Step afterEffect) throws Exception {
    try (Session session = factory.openSession()) {
      Transaction transaction = session.beginTransaction();
      try {
        Outcome outcome =
            session.doReturningWork(connection -> notTooOld(inbox.admit(connection, id)));
        if (outcome.isNew()) {
          session.persist(new Reservation(id.text()));
          afterEffect.run();
        }
        // The trap: Hibernate writes entities as late as here, so effects can fail after the
        // handler has returned. Nothing may count as done before this line has.
        transaction.commit();
        inbox.committed(List.of(outcome));
        return outcome.isNew();
      } catch (Exception e) {
        transaction.rollback();
        throw e;
      }
    }
  }

  @Override
  void misuse(MessageId id) {
    try (Session session = factory.openSession()) {
      session.doWork(connection -> inbox.admit(connection, id));
    }
  }

  @Override
  void start() {
    Configuration configuration = new Configuration().addAnnotatedClass(Reservation.class);
    configuration.getProperties().put(JdbcSettings.JAKARTA_NON_JTA_DATASOURCE, dataSource());
    factory = configuration.buildSessionFactory();
  }

  @Override
  void stop() {
    factory.close();
  }
}
