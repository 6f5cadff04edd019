package io.outboxinbox.agent.publish.kafka;

import java.util.OptionalInt;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordBatchTooLargeException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TimeoutException;
import org.jspecify.annotations.Nullable;

/** Why sends of one transaction failed. Callbacks write it, the pipeline's thread reads it. */
final class SendFailures {
  private @Nullable Exception first;
  private @Nullable Exception firstRefusal;
  private int refusedRecord = -1;
  private int refusals;

  /** Notes what becomes of the record with this place in the transaction. */
  Callback of(int record) {
    return (metadata, e) -> {
      if (e != null) {
        failed(record, e);
      }
    };
  }

  private synchronized void failed(int record, Exception e) {
    if (first == null) {
      first = e;
    }
    // Records that share a batch with a refused one may fail too; some say that it is not them.
    if (refusal(e) != null) {
      refusals++;
      if (firstRefusal == null) {
        firstRefusal = e;
        refusedRecord = record;
      }
    }
  }

  /**
   * Whether the broker has not answered in time. Nothing is known of it then, and each further send
   * would wait for it as long again.
   */
  synchronized boolean isUnanswered() {
    return first instanceof TimeoutException;
  }

  /** The record the broker refused; empty when there is none or it may be one of several. */
  synchronized OptionalInt refusedRecord() {
    return refusals == 1 ? OptionalInt.of(refusedRecord) : OptionalInt.empty();
  }

  /** What says most about why the transaction failed with {@code e}. */
  synchronized Exception reason(Exception e) {
    Exception refused = firstRefusal;
    Exception failed = first;
    return refused != null ? refused : failed != null ? failed : e;
  }

  /** What says that a record will never be taken as it is, rather than that it is not the time. */
  static @Nullable Exception refusal(Exception failure) {
    // Not a timestamp out of range: it is this host's clock, no event's, and would refuse them all.
    for (Throwable at = failure; at != null; at = at.getCause()) {
      if (at instanceof RecordTooLargeException
          || at instanceof RecordBatchTooLargeException
          || at instanceof InvalidRecordException
          || at instanceof InvalidTopicException) {
        return (Exception) at;
      }
    }
    return null;
  }
}
