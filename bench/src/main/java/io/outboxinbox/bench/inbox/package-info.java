/**
 * What the inbox costs. In: a PostgreSQL database and sizes. Out: a table of ratios, each of two
 * things measured in turn within one run, and of sizes on disk. One thread. Imports inbox-lib,
 * testkit and JDBC.
 */
@NullMarked
package io.outboxinbox.bench.inbox;

import org.jspecify.annotations.NullMarked;
