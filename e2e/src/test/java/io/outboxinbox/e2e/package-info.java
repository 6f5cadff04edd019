/**
 * Fault tests on the packaged agent: real servers, a real process, real kills. Each test keeps a
 * ledger of every event and audits what was published. README.md says how to run the long forms.
 */
package io.outboxinbox.e2e;
