/**
 * The application on the reading side, a process of its own: reserves and ships stock for the
 * orders it hears of, in a database of its own. In: the topic of orders, through inbox-lib's
 * consumer. Out: rows in {@code reservation} and {@code stock}. Runs on the consumer's threads.
 */
@NullMarked
package io.outboxinbox.quickstart.inventory;

import org.jspecify.annotations.NullMarked;
