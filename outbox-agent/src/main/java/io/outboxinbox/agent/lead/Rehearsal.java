package io.outboxinbox.agent.lead;

import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.event.SourceIdentity;
import io.outboxinbox.agent.publish.Publisher;
import io.outboxinbox.agent.source.SourceConnections;
import io.outboxinbox.agent.source.inspect.SourcePreflight;
import io.outboxinbox.agent.source.log.LogRehearsal;
import io.outboxinbox.agent.source.slot.ServerState;
import io.outboxinbox.agent.source.table.TablePositions;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/**
 * A standby goes through its start once, as far as it changes nothing and shuts nobody out. Half of
 * the time of a first start goes into loading classes, and consumers would wait for that. Runs on a
 * thread of its own, so that the standby notices meanwhile when the leader is gone.
 */
public final class Rehearsal {
  private static final Logger LOG = LoggerFactory.getLogger(Rehearsal.class);
  private static final int ANSWER_TIMEOUT_SECONDS = 10;

  private Rehearsal() {}

  /** Starts it in the background. */
  public static void start(
      PipelineConfiguration pipeline, SourceIdentity source, List<String> topics) {
    Thread thread = new Thread(() -> run(pipeline, source, topics), "rehearsal-" + pipeline.name());
    thread.setDaemon(true);
    thread.start();
  }

  private static void run(
      PipelineConfiguration pipeline, SourceIdentity source, List<String> fixedTopics) {
    MDC.put("pipeline", pipeline.name());
    try (Connection connection =
            new SourceConnections(pipeline.source()).open("rehearsal", ANSWER_TIMEOUT_SECONDS);
        Publisher publisher =
            pipeline.publish().newPublisher(new TablePositions(connection, pipeline.source()))) {
      SourcePreflight.check(connection, pipeline.source(), pipeline.needsPositions());
      ServerState.of(connection);
      pipeline.publish().preflight(fixedTopics);
      publisher.rehearse(source);
      LogRehearsal.run(pipeline.source());
      LOG.info("rehearsed the takeover");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (SQLException | RuntimeException e) {
      // What is wrong is said by the real start, if it still is then.
      LOG.debug("the rehearsal failed", e);
    }
  }
}
