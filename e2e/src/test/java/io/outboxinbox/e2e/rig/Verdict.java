package io.outboxinbox.e2e.rig;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** What an audit found: how much, which faults, and examples of each. */
public final class Verdict {
  private static final int EXAMPLES_MAX = 10;

  private final Map<Fault, Integer> counts = new EnumMap<>(Fault.class);
  private final Map<Fault, List<String>> examples = new EnumMap<>(Fault.class);
  private final List<String> figures = new ArrayList<>();
  private int epochs;
  private long abortedCopies;
  private long staleBatches;

  void add(Fault fault, String example) {
    counts.merge(fault, 1, Integer::sum);
    List<String> kept = examples.computeIfAbsent(fault, f -> new ArrayList<>());
    if (kept.size() < EXAMPLES_MAX) {
      kept.add(example);
    }
  }

  void epochs(int found) {
    epochs = found;
  }

  void count(Ledger ledger, List<Published> published, BrokerLog brokerLog) {
    abortedCopies = brokerLog.abortedCopies();
    staleBatches = brokerLog.staleBatches();
    figures.add(
        String.format(
            Locale.ROOT,
            "committed %,d events in %,d transactions, rolled back %,d in %,d",
            ledger.events(Transaction.Outcome.COMMITTED),
            ledger.transactions(Transaction.Outcome.COMMITTED),
            ledger.events(Transaction.Outcome.ROLLED_BACK),
            ledger.transactions(Transaction.Outcome.ROLLED_BACK)));
    figures.add(
        String.format(
            Locale.ROOT,
            "published %,d in %d epoch(s); %,d aborted copies in %,d Kafka transactions; %d producer id(s), %d stale writes",
            published.size(),
            epochs,
            abortedCopies,
            brokerLog.abortedTransactions(),
            brokerLog.producers(),
            staleBatches));
  }

  public boolean isClean() {
    return counts.isEmpty() && staleBatches == 0;
  }

  /** Forgets faults that a run cannot avoid; the test says why. */
  public Verdict without(Set<Fault> unavoidable) {
    counts.keySet().removeAll(unavoidable);
    examples.keySet().removeAll(unavoidable);
    return this;
  }

  public int count(Fault fault) {
    return counts.getOrDefault(fault, 0);
  }

  /** Copies in Kafka transactions that were aborted: the traces of kills in the middle of one. */
  public long abortedCopies() {
    return abortedCopies;
  }

  /** How many epochs the published events belong to. */
  public int epochs() {
    return epochs;
  }

  /** One readable block: figures, a line with every count, and examples of what is wrong. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    figures.forEach(figure -> text.append("  ").append(figure).append('\n'));
    text.append(" ");
    for (Fault fault : Fault.values()) {
      text.append(' ').append(word(fault)).append(' ').append(count(fault)).append(',');
    }
    text.setLength(text.length() - 1);
    examples.forEach(
        (fault, kept) ->
            kept.forEach(e -> text.append("\n    ").append(word(fault)).append(": ").append(e)));
    return text.toString();
  }

  private static String word(Fault fault) {
    return fault.name().toLowerCase(Locale.ROOT).replace('_', ' ');
  }
}
