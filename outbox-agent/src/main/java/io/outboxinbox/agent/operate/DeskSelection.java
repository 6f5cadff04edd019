package io.outboxinbox.agent.operate;

import java.util.List;

/** What a request is about. */
public sealed interface DeskSelection {

  /**
   * Events by number. Taken as a whole: if one cannot be had, none is.
   *
   * @param ordinals at least one, in any order
   */
  record Ordinals(List<Long> ordinals) implements DeskSelection {
    public Ordinals {
      ordinals = List.copyOf(ordinals);
    }
  }

  /** Every waiting event that matches; what cannot be had is left out and told. */
  record Matching(DeskFilter filter) implements DeskSelection {}
}
