/**
 * Heals a gap: bounds what may be missing, makes a new slot, searches the topics, and leaves a
 * checkpoint from which the rest is published. In: what the leader has at hand; out: that
 * checkpoint. On the pipeline's thread, before it streams.
 */
@NullMarked
package io.outboxinbox.agent.reconcile;

import org.jspecify.annotations.NullMarked;
