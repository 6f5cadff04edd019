package io.outboxinbox.agent.capture;

import org.jspecify.annotations.Nullable;

/**
 * A replication slot as the server shows it.
 *
 * @param plugin output plugin; null for a physical slot
 * @param database null for a physical slot
 * @param activePid process that streams from it; 0 when nobody does
 * @param confirmedFlushLsn transactions committed before this are not sent any more; 0 for a
 *     physical slot
 * @param restartLsn log is kept from here; 0 when it keeps none
 * @param walStatus reserved, extended, unreserved or lost; null when it keeps no log
 * @param invalidationReason why it is lost; null when it is not, and before PostgreSQL 17
 * @param twoPhase prepared transactions are sent when prepared
 */
public record SlotState(
    @Nullable String plugin,
    @Nullable String database,
    boolean active,
    int activePid,
    long confirmedFlushLsn,
    long restartLsn,
    @Nullable String walStatus,
    @Nullable String invalidationReason,
    boolean temporary,
    boolean twoPhase) {}
