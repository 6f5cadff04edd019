package io.outboxinbox.inbox;

/**
 * Where a numbered message came from. Together with the partition the number tells a repeat without
 * a row for each message.
 *
 * @param source who numbers, header {@code ce_source}; one writer at a time, fenced
 * @param epoch header {@code ce_epoch}; higher when the numbers may start again
 * @param sequence header {@code ce_sequence}; rises within a partition of a topic
 */
public record Origin(String source, String topic, int partition, long epoch, long sequence) {}
