/**
 * How to use the library from plain JDBC, a pool, Spring, jOOQ and Hibernate: one class each, whose
 * upper half is the example and whose promises are those of {@link EffectsOnceContract}. Uses
 * public types only.
 */
package io.outboxinbox.inbox.works;
