/**
 * What every look into the source database shares: connections, names, small queries, and what a
 * row and its values are. Rooms below it: {@code log} reads what is written, {@code inspect} finds
 * what is wrong, {@code slot} makes and drops slots, {@code table} keeps tables. No threads of its
 * own; imports only {@code event} of ours.
 */
@NullMarked
package io.outboxinbox.agent.source;

import org.jspecify.annotations.NullMarked;
