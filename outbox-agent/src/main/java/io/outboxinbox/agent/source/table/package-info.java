/**
 * The agent's own tables, a class or two for each: its sources and their positions, the backlog,
 * parked events, reconciliations. All SQL that reads or writes them but what operators ask of
 * parked events, which is in {@code operate}. Each class says what needs the leader's connection.
 */
@NullMarked
package io.outboxinbox.agent.source.table;

import org.jspecify.annotations.NullMarked;
