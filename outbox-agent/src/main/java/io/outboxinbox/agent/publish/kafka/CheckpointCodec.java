package io.outboxinbox.agent.publish.kafka;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.outboxinbox.agent.event.AgentException;
import io.outboxinbox.agent.event.Checkpoint;
import io.outboxinbox.agent.event.Lsn;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.event.SourcePosition;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** Checkpoints as JSON, readable with any console consumer. */
final class CheckpointCodec {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Read by every agent; enough as long as nothing has ever been parked. */
  private static final int VERSION_WITHOUT_PARKING = 1;

  /** An agent that knows nothing of parked events must not go on: it would forget them. */
  private static final int VERSION = 2;

  private CheckpointCodec() {}

  static byte[] encode(Checkpoint checkpoint) {
    ObjectNode json = JSON.createObjectNode();
    boolean hasParked = !checkpoint.parking().equals(Checkpoint.Parking.NONE);
    json.put("version", hasParked ? VERSION : VERSION_WITHOUT_PARKING)
        .put("epoch", checkpoint.epoch())
        .put("sequence", checkpoint.sequence())
        .put("systemId", checkpoint.source().systemId())
        .put("database", checkpoint.source().database())
        .put("publication", checkpoint.source().publication())
        .put("pipeline", checkpoint.pipeline())
        .put("timeline", checkpoint.timeline())
        .put("slot", checkpoint.slot())
        .put("publicationMark", checkpoint.publicationMark())
        .put("backlogOrdinal", checkpoint.backlogOrdinal())
        .put("commitLsn", Lsn.format(checkpoint.position().commitLsn()))
        .put("xid", checkpoint.position().xid())
        .put("lsn", Lsn.format(checkpoint.position().lsn()))
        .put("ordinal", checkpoint.position().ordinal())
        .put("parkedOrdinal", checkpoint.parking().lastOrdinal())
        .put("release", checkpoint.parking().lastRelease())
        .put("endedXid", checkpoint.endedXid())
        .put("reconciliation", checkpoint.reconciliation())
        .put("backlogEnd", checkpoint.backlogEnd());
    try {
      return JSON.writeValueAsBytes(json);
    } catch (IOException e) {
      throw new IllegalStateException("a tree of scalars must be writable", e);
    }
  }

  /**
   * @throws AgentException.Fatal not a checkpoint this version understands
   */
  static Checkpoint decode(byte[] bytes) {
    try {
      JsonNode json = JSON.readTree(bytes);
      int version = required(json, "version").intValue();
      if (version < VERSION_WITHOUT_PARKING || version > VERSION) {
        throw unreadable("its version is " + version + ", this agent reads up to " + VERSION, null);
      }
      return new Checkpoint(
          new SourceIdentity(
              text(json, "systemId"), text(json, "database"), text(json, "publication")),
          text(json, "pipeline"),
          required(json, "timeline").intValue(),
          text(json, "slot"),
          text(json, "publicationMark"),
          required(json, "epoch").longValue(),
          required(json, "sequence").longValue(),
          required(json, "backlogOrdinal").longValue(),
          new SourcePosition(
              Lsn.parse(text(json, "commitLsn")),
              required(json, "xid").longValue(),
              Lsn.parse(text(json, "lsn")),
              required(json, "ordinal").intValue()),
          new Checkpoint.Parking(
              json.path("parkedOrdinal").longValue(), json.path("release").longValue()),
          json.path("endedXid").longValue(),
          json.path("reconciliation").longValue(),
          json.path("backlogEnd").longValue());
    } catch (IOException | IllegalArgumentException e) {
      throw unreadable(String.valueOf(e.getMessage()), e);
    }
  }

  private static String text(JsonNode json, String name) {
    return required(json, name).asText();
  }

  private static JsonNode required(JsonNode json, String name) {
    JsonNode value = json.get(name);
    if (value == null || value.isNull()) {
      throw new IllegalArgumentException("field " + name + " is missing");
    }
    return value;
  }

  private static AgentException unreadable(String why, @Nullable Throwable cause) {
    AgentException.Fatal fatal =
        new AgentException.Fatal(
            "the checkpoint in the position topic cannot be read: " + why,
            "run the agent version that wrote it, or keep foreign producers out of the topic");
    if (cause != null) {
      fatal.addSuppressed(cause);
    }
    return fatal;
  }
}
