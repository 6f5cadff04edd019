/**
 * Proves that nothing was lost, doubled or reordered, and how long it took. In: what the order
 * service committed, what is visible in the topic, what the inventory applied. Out: a {@link
 * io.outboxinbox.quickstart.proof.Tally}. Called from every thread; knows none of the servers.
 */
@NullMarked
package io.outboxinbox.quickstart.proof;

import org.jspecify.annotations.NullMarked;
