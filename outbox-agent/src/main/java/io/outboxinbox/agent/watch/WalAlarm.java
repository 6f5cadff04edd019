package io.outboxinbox.agent.watch;

import java.util.Optional;

/** Says once when half of the budget is used, and once when most of it is. Used by one thread. */
final class WalAlarm {
  /** Use goes up and down with checkpoints; the same level is news again only after a real fall. */
  private static final double CALM_BELOW_LEVEL = 0.1;

  private double raised;

  /** The warning, when a level has been reached that was not reached before. */
  Optional<String> level(WalBudget budget) {
    double used = budget.usedRatio();
    if (used < 0) {
      return Optional.empty();
    }
    if (used < raised - CALM_BELOW_LEVEL) {
      raised = used < WalBudget.FIRST_ALARM ? 0 : WalBudget.FIRST_ALARM;
    }
    double level =
        used >= WalBudget.SECOND_ALARM
            ? WalBudget.SECOND_ALARM
            : used >= WalBudget.FIRST_ALARM ? WalBudget.FIRST_ALARM : 0;
    if (level <= raised) {
      return Optional.empty();
    }
    raised = level;
    return Optional.of(budget.warning());
  }
}
