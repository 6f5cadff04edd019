package io.outboxinbox.agent.capture;

/**
 * Which server answers and how far its log goes.
 *
 * @param systemId cluster identifier, as the position's key has it
 * @param timeline the one being written; goes up with every promotion and point-in-time recovery
 * @param currentWalLsn end of the log that is safely on disk (on a standby: replayed)
 * @param versionNum as in {@code server_version_num}: 150014 is 15.14
 * @param inRecovery a standby, or a server still recovering
 * @param nextXid no transaction has this id (64-bit) yet
 */
public record ServerState(
    String systemId,
    int timeline,
    long currentWalLsn,
    int versionNum,
    boolean inRecovery,
    long nextXid) {}
