/**
 * What the fault tests share: real servers, the packaged agent as a process, writers that keep a
 * ledger of what they committed, a reader of what was published, and the audit that compares them.
 *
 * <p>Knows the agent only from outside: its jar, its configuration, its status page and its topics.
 */
package io.outboxinbox.e2e.rig;
