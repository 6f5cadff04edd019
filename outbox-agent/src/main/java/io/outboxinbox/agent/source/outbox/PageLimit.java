package io.outboxinbox.agent.source.outbox;

/**
 * How much one page of rows may hold.
 *
 * @param rows at most this many
 * @param bytes the row that reaches this many bytes is the page's last
 */
public record PageLimit(int rows, long bytes) {}
