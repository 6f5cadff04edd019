/**
 * The application's outbox tables: their columns, rows, sizes and partitions, and how SQL compares
 * their values. All SQL that names one, but for the looks of {@code inspect} and what the agent
 * writes down of rows in {@code table}. In: a connection; out: rows and pieces of SQL. Any thread.
 */
@NullMarked
package io.outboxinbox.agent.source.outbox;

import org.jspecify.annotations.NullMarked;
