/**
 * Main class and wiring: joins the rooms and starts them on the main thread. The only place that
 * may import all of them, and in {@code OutboxAgent} the brokers too.
 */
@NullMarked
package io.outboxinbox.agent;

import org.jspecify.annotations.NullMarked;
