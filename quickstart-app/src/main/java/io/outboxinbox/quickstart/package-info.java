/**
 * The one-command demonstration: an order service, the real agent and an inventory service, with
 * PostgreSQL and Kafka from Maven artifacts. In: the command line. Out: a live table, a summary and
 * an exit code. The main thread starts, watches and stops everything; this room may import every
 * other room of the quickstart, the others do not import each other except {@code proof}.
 */
@NullMarked
package io.outboxinbox.quickstart;

import org.jspecify.annotations.NullMarked;
