/**
 * The application on the reading side: reserves and ships stock for the orders it hears of, in a
 * database of its own. In: the topic of orders. Out: rows in {@code stock}. Runs on one thread, the
 * consumer's.
 */
@NullMarked
package io.outboxinbox.quickstart.inventory;

import org.jspecify.annotations.NullMarked;
