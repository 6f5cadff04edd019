/**
 * The application on the writing side: one database transaction changes an order and leaves an
 * event in the outbox. In: a data source on the shop's database. Out: committed orders. Its traffic
 * runs on threads of its own. {@link io.outboxinbox.quickstart.order.OrderService} is meant to be
 * copied and imports nothing of ours.
 */
@NullMarked
package io.outboxinbox.quickstart.order;

import org.jspecify.annotations.NullMarked;
