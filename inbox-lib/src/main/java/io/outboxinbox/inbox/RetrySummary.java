package io.outboxinbox.inbox;

/**
 * What became of many dead letters, in numbers.
 *
 * @param done handled now
 * @param duplicates settled without the handler, because their effects were there
 * @param failed whose handler failed again; each of them stops its key
 * @param blocked left alone because one of their key is in front
 * @param tooOld left alone because the inbox does not remember so far back
 * @param isComplete false if the thread was interrupted, which ends the run between two of them
 */
public record RetrySummary(
    long done, long duplicates, long failed, long blocked, long tooOld, boolean isComplete) {}
