/**
 * From the log's rows to batches a broker can take: numbers and groups them, decides which are
 * published and which parked, finds what a broker refuses, learns how much it takes, publishes
 * released events, and makes each step durable before the log is told. On the pipeline's thread;
 * talks to broker and table through {@code Publisher} and {@code ParkedEvents} only.
 */
@NullMarked
package io.outboxinbox.agent.stream;

import org.jspecify.annotations.NullMarked;
