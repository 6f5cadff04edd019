package io.outboxinbox.agent.event;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.annotation.Nulls;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** Checkpoints as JSON, readable for people wherever they are kept. */
public final class CheckpointCodec {
  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
          .withConfigOverride(
              String.class, text -> text.setSetterInfo(JsonSetter.Value.forValueNulls(Nulls.FAIL)))
          .build();

  /** Read by every agent; enough as long as nothing has ever been parked. */
  private static final int VERSION_WITHOUT_PARKING = 1;

  /** An agent that knows nothing of parked events must not go on: it would forget them. */
  private static final int VERSION_OF_ONE_TABLE = 2;

  /** One that reads a single table must not either: it would pass over rows of the others. */
  private static final int VERSION = 3;

  /** As a publication's mark has it before each of several tables. */
  private static final String TABLE = " [";

  private CheckpointCodec() {}

  /** What every version has, whatever else. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  private record Versioned(@JsonProperty(required = true) int version) {}

  /** What earlier versions have not written is not required, and 0 then. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  private record Stored(
      @JsonProperty(required = true) int version,
      @JsonProperty(required = true) long epoch,
      @JsonProperty(required = true) long sequence,
      @JsonProperty(required = true) String systemId,
      @JsonProperty(required = true) String database,
      @JsonProperty(required = true) String publication,
      @JsonProperty(required = true) String pipeline,
      @JsonProperty(required = true) int timeline,
      @JsonProperty(required = true) String slot,
      @JsonProperty(required = true) String publicationMark,
      @JsonProperty(required = true) long backlogOrdinal,
      @JsonProperty(required = true) String commitLsn,
      @JsonProperty(required = true) long xid,
      @JsonProperty(required = true) String lsn,
      @JsonProperty(required = true) int ordinal,
      @JsonProperty @Nullable Long parkedOrdinal,
      @JsonProperty @Nullable Long release,
      @JsonProperty @Nullable Long endedXid,
      @JsonProperty @Nullable Long reconciliation,
      @JsonProperty @Nullable Long backlogEnd) {

    static Stored of(Checkpoint checkpoint) {
      SourceIdentity source = checkpoint.source();
      SourcePosition position = checkpoint.position();
      Checkpoint.Parking parking = checkpoint.parking();
      return new Stored(
          version(checkpoint),
          checkpoint.epoch(),
          checkpoint.sequence(),
          source.systemId(),
          source.database(),
          source.publication(),
          checkpoint.pipeline(),
          checkpoint.timeline(),
          checkpoint.slot(),
          checkpoint.publicationMark(),
          checkpoint.backlogOrdinal(),
          Lsn.format(position.commitLsn()),
          position.xid(),
          Lsn.format(position.lsn()),
          position.ordinal(),
          parking.lastOrdinal(),
          parking.lastRelease(),
          checkpoint.endedXid(),
          checkpoint.reconciliation(),
          checkpoint.backlogEnd());
    }

    private static int version(Checkpoint checkpoint) {
      if (checkpoint.publicationMark().contains(TABLE)) {
        return VERSION;
      }
      return checkpoint.parking().equals(Checkpoint.Parking.NONE)
          ? VERSION_WITHOUT_PARKING
          : VERSION_OF_ONE_TABLE;
    }

    Checkpoint checkpoint() {
      return new Checkpoint(
          new SourceIdentity(systemId, database, publication),
          pipeline,
          timeline,
          slot,
          publicationMark,
          epoch,
          sequence,
          backlogOrdinal,
          new SourcePosition(Lsn.parse(commitLsn), xid, Lsn.parse(lsn), ordinal),
          new Checkpoint.Parking(orZero(parkedOrdinal), orZero(release)),
          orZero(endedXid),
          orZero(reconciliation),
          orZero(backlogEnd));
    }
  }

  private static long orZero(@Nullable Long number) {
    return number == null ? 0 : number;
  }

  public static byte[] encode(Checkpoint checkpoint) {
    try {
      return JSON.writeValueAsBytes(Stored.of(checkpoint));
    } catch (IOException e) {
      throw new IllegalStateException("a record of scalars must be writable", e);
    }
  }

  /**
   * Reads what any version has written, as far as this one understands it.
   *
   * @throws AgentException.Fatal it does not
   */
  public static Checkpoint decode(byte[] bytes) {
    try {
      @Nullable Versioned versioned = JSON.readValue(bytes, Versioned.class);
      if (versioned == null) {
        throw new IllegalArgumentException("it is null");
      }
      int version = versioned.version();
      if (version < VERSION_WITHOUT_PARKING || version > VERSION) {
        throw new IllegalArgumentException(
            "its version is " + version + ", this agent reads up to " + VERSION);
      }
      return JSON.readValue(bytes, Stored.class).checkpoint();
    } catch (IOException | IllegalArgumentException e) {
      AgentException.Fatal fatal =
          new AgentException.Fatal(
              "the checkpoint cannot be read: " + OneLine.of(String.valueOf(e.getMessage())),
              "run the agent version that wrote it, or keep others from writing where it is kept");
      fatal.addSuppressed(e);
      throw fatal;
    }
  }
}
