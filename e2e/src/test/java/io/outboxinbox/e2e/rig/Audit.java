package io.outboxinbox.e2e.rig;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** Compares what was published with the ledger. Single use. */
public final class Audit {

  /** Where an id comes from. */
  private record Source(Transaction transaction, Entry entry, int index, boolean isLive) {
    boolean isCommitted() {
      return isLive && transaction.outcome() == Transaction.Outcome.COMMITTED;
    }
  }

  private final Ledger ledger;
  private final List<Published> published;
  private final int atomicEvents;
  private final Verdict verdict = new Verdict();
  private final Map<UUID, Source> sources = new HashMap<>();

  /**
   * First copy of every committed event, in order of arrival, which is offset order per partition.
   */
  private final Map<UUID, Published> firsts = new LinkedHashMap<>();

  private Audit(Ledger ledger, List<Published> published, int atomicEvents) {
    this.ledger = ledger;
    this.published = published;
    this.atomicEvents = atomicEvents;
  }

  /**
   * Audits a finished run: writers stopped, unknown outcomes resolved, reader caught up.
   *
   * @param atomicEvents database transactions up to this size must be in one Kafka transaction
   */
  public static Verdict of(
      Ledger ledger, List<Published> published, BrokerLog brokerLog, int atomicEvents) {
    Audit audit = new Audit(ledger, published, atomicEvents);
    audit.index();
    audit.checkCopies();
    audit.checkLost();
    audit.checkKeys();
    audit.checkSequence();
    audit.checkCommitOrder();
    audit.checkAtomicity(brokerLog);
    audit.verdict.count(ledger, published, brokerLog);
    return audit.verdict;
  }

  private void index() {
    for (Transaction transaction : ledger.transactions()) {
      if (transaction.outcome() == Transaction.Outcome.UNKNOWN) {
        throw new IllegalStateException(transaction + " must be resolved before the audit");
      }
      int index = 0;
      for (Entry entry : transaction.entries()) {
        sources.put(entry.id(), new Source(transaction, entry, index++, true));
      }
      for (Entry entry : transaction.discarded()) {
        sources.put(entry.id(), new Source(transaction, entry, index++, false));
      }
    }
  }

  private void checkCopies() {
    for (Published message : published) {
      Source source = sources.get(message.id());
      if (source == null || !source.isCommitted()) {
        verdict.add(Fault.NEVER_COMMITTED, describe(message, source));
        continue;
      }
      Published first = firsts.putIfAbsent(message.id(), message);
      if (first != null) {
        verdict.add(Fault.DUPLICATED, describe(message, source) + ", first at " + first.place());
      }
      if (!message.key().equals(source.entry().key())
          || message.payloadHash() != Payload.of(source.transaction(), source.entry()).hashCode()) {
        verdict.add(Fault.ALTERED, describe(message, source));
      }
    }
  }

  private void checkLost() {
    for (Source source : sources.values()) {
      if (source.isCommitted() && !firsts.containsKey(source.entry().id())) {
        verdict.add(
            Fault.LOST, source.entry() + " row " + source.index() + " of " + source.transaction());
      }
    }
  }

  private void checkKeys() {
    Map<String, Published> latest = new HashMap<>();
    for (Published message : firsts.values()) {
      Published before = latest.put(message.key(), message);
      if (before == null) {
        continue;
      }
      if (before.partition() != message.partition()) {
        verdict.add(
            Fault.ALTERED,
            "key " + message.key() + " at " + before.place() + " and " + message.place());
      }
      if (counter(before) > counter(message)) {
        verdict.add(
            Fault.REORDERED,
            describe(message, sources.get(message.id())) + " after " + before.place());
      }
    }
  }

  private long counter(Published message) {
    Source source = sources.get(message.id());
    return source == null ? 0 : source.entry().counter();
  }

  private void checkSequence() {
    Map<Long, List<Published>> epochs = new TreeMap<>();
    Map<Integer, Published> latest = new HashMap<>();
    for (Published message : published) {
      epochs.computeIfAbsent(message.epoch(), epoch -> new ArrayList<>()).add(message);
      Published before = latest.put(message.partition(), message);
      if (before != null
          && before.epoch() == message.epoch()
          && before.sequence() >= message.sequence()) {
        verdict.add(Fault.SEQUENCE, message.place() + " comes after " + before.place());
      }
    }
    epochs.forEach(this::checkDense);
    verdict.epochs(epochs.size());
  }

  private void checkDense(long epoch, List<Published> messages) {
    messages.sort(Comparator.comparingLong(Published::sequence));
    long expected = 1;
    for (Published message : messages) {
      if (message.sequence() != expected) {
        verdict.add(Fault.SEQUENCE, message.place() + ", but the next of the epoch is " + expected);
      }
      expected = message.sequence() + 1;
    }
  }

  private void checkCommitOrder() {
    List<Published> ordered = new ArrayList<>(firsts.values());
    ordered.sort(Comparator.comparingLong(Published::epoch).thenComparingLong(Published::sequence));
    Map<Integer, Source> latest = new HashMap<>();
    for (Published message : ordered) {
      Source source = sources.get(message.id());
      if (source == null) {
        continue;
      }
      Source before = latest.put(source.transaction().writer(), source);
      if (before != null && isBefore(source, before)) {
        verdict.add(
            Fault.OUT_OF_COMMIT_ORDER, describe(message, source) + " after " + before.entry());
      }
    }
  }

  private static boolean isBefore(Source source, Source other) {
    long number = source.transaction().number();
    long otherNumber = other.transaction().number();
    return number < otherNumber || (number == otherNumber && source.index() < other.index());
  }

  private void checkAtomicity(BrokerLog brokerLog) {
    for (Transaction transaction : ledger.transactions()) {
      if (transaction.outcome() != Transaction.Outcome.COMMITTED) {
        continue;
      }
      requireContiguous(transaction);
      Set<BrokerLog.KafkaTransaction> kafka = brokerLog.transactionsOf(transaction);
      if (kafka.size() > 1 && transaction.entries().size() <= atomicEvents) {
        verdict.add(Fault.TORN, transaction + " is in Kafka transactions " + kafka);
      }
    }
  }

  private void requireContiguous(Transaction transaction) {
    Published before = null;
    for (Entry entry : transaction.entries()) {
      Published message = firsts.get(entry.id());
      if (before != null && message != null && message.sequence() != before.sequence() + 1) {
        verdict.add(
            Fault.TORN, transaction + " has " + message.place() + " right after " + before.place());
      }
      before = message;
    }
  }

  private static String describe(Published message, @Nullable Source source) {
    return message.id()
        + " key "
        + message.key()
        + " at "
        + message.place()
        + " of "
        + (source == null
            ? "nobody's ledger"
            : "row " + source.index() + " of " + source.transaction());
  }
}
