package io.outboxinbox.e2e.rig;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;

/**
 * The broker's own files: which Kafka transaction each copy of an event was in, and whether that
 * was committed. No consumer can see this.
 *
 * <p>With the second version of transactions the producer's epoch rises with each transaction, so
 * (producer id, epoch) names one.
 */
public final class BrokerLog {

  /** One Kafka transaction. */
  public record KafkaTransaction(long producerId, short epoch) {}

  private record Copy(UUID id, KafkaTransaction transaction) {}

  private final Map<UUID, Set<KafkaTransaction>> committed = new HashMap<>();
  private final Set<KafkaTransaction> abortedTransactions = new HashSet<>();

  /** Highest epoch of each producer id seen so far in the partition being read. */
  private final Map<Long, Short> epochs = new HashMap<>();

  private final Set<Long> producers = new HashSet<>();
  private long staleBatches;
  private long abortedCopies;
  private long openCopies;

  private BrokerLog() {}

  /** Reads all segments of a topic; the broker may run, or be stopped. */
  public static BrokerLog read(Path dataDirectory, String topic, int partitionCount) {
    BrokerLog log = new BrokerLog();
    try {
      for (int i = 0; i < partitionCount; i++) {
        log.readPartition(dataDirectory.resolve(topic + "-" + i));
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read the broker's log", e);
    }
    return log;
  }

  private void readPartition(Path directory) throws IOException {
    List<Path> segments = new ArrayList<>();
    try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, "*.log")) {
      files.forEach(segments::add);
    }
    segments.sort(null);
    Map<Long, List<Copy>> open = new HashMap<>();
    epochs.clear();
    for (Path segment : segments) {
      FileRecords records = FileRecords.open(segment.toFile(), false);
      try {
        for (RecordBatch batch : records.batches()) {
          read(batch, open.computeIfAbsent(batch.producerId(), id -> new ArrayList<>()));
        }
      } finally {
        // Its close would cut off what the broker has appended since the file was opened.
        records.closeHandlers();
      }
    }
    open.values().forEach(copies -> openCopies += copies.size());
  }

  private void read(RecordBatch batch, List<Copy> open) {
    KafkaTransaction transaction = new KafkaTransaction(batch.producerId(), batch.producerEpoch());
    short latest = epochs.getOrDefault(batch.producerId(), batch.producerEpoch());
    epochs.put(batch.producerId(), (short) Math.max(latest, batch.producerEpoch()));
    staleBatches += batch.producerEpoch() < latest ? 1 : 0;
    producers.add(batch.producerId());
    for (Record record : batch) {
      if (!batch.isControlBatch()) {
        open.add(new Copy(id(record), transaction));
      } else {
        end(ControlRecordType.parse(record.key()), open);
      }
    }
  }

  private void end(ControlRecordType marker, List<Copy> open) {
    for (Copy copy : open) {
      if (marker == ControlRecordType.COMMIT) {
        committed.computeIfAbsent(copy.id(), id -> new HashSet<>()).add(copy.transaction());
      } else {
        abortedCopies++;
        abortedTransactions.add(copy.transaction());
      }
    }
    open.clear();
  }

  private static UUID id(Record record) {
    for (Header header : record.headers()) {
      if (header.key().equals("ce_id")) {
        return UUID.fromString(
            StandardCharsets.UTF_8.decode(ByteBuffer.wrap(header.value())).toString());
      }
    }
    throw new IllegalStateException("a record at offset " + record.offset() + " has no ce_id");
  }

  /** The committed Kafka transactions that hold a copy of one of these events. */
  public Set<KafkaTransaction> transactionsOf(Transaction transaction) {
    Set<KafkaTransaction> found = new HashSet<>();
    for (Entry entry : transaction.entries()) {
      found.addAll(committed.getOrDefault(entry.id(), Set.of()));
    }
    return found;
  }

  /** Copies that only read_uncommitted consumers saw: what crashes hit in the middle. */
  public long abortedCopies() {
    return abortedCopies;
  }

  public int abortedTransactions() {
    return abortedTransactions.size();
  }

  /**
   * Writes the broker took from a producer after a later one of the same source: a fence with a
   * hole.
   */
  public long staleBatches() {
    return staleBatches;
  }

  /** How many producer ids wrote; agents of one source share one until its epochs are used up. */
  public int producers() {
    return producers.size();
  }

  /** Copies in a transaction that has not ended. */
  public long openCopies() {
    return openCopies;
  }
}
