/**
 * Real PostgreSQL and Kafka for tests, without Docker: servers that can be stopped, killed and
 * started again, and JUnit extensions that share one server per test run. In: nothing but a class
 * path. Out: addresses, databases, topics. Servers run as processes or threads of their own; every
 * type may be used from any thread, one thread at a time. Imports no other room of ours.
 */
@NullMarked
package io.outboxinbox.testkit;

import org.jspecify.annotations.NullMarked;
