/**
 * What operators ask for: the desk of parked events, pause, reset, reconciliation, and whether a
 * pipeline could go on. Writes requests into the agent's tables and reads what became of them; the
 * leading agent does the work. On the thread of whoever asks; commands and pages are faces of it.
 */
@NullMarked
package io.outboxinbox.agent.operate;

import org.jspecify.annotations.NullMarked;
