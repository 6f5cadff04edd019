package io.outboxinbox.e2e.rig;

import java.util.UUID;

/**
 * One event as its writer wrote it.
 *
 * @param key aggregate id; only one writer uses it, so its counters rise in commit order
 * @param counter n-th event of this key that its writer tried, from 1; rolled-back ones leave gaps
 */
public record Entry(UUID id, String key, long counter) {}
