/**
 * Main class, root of the configuration and commands. Joins the rooms and starts them on the main
 * thread; the only place that may import all of them, and in {@code OutboxAgent} the brokers too.
 */
@NullMarked
package io.outboxinbox.agent;

import org.jspecify.annotations.NullMarked;
