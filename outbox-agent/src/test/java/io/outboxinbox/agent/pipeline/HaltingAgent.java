package io.outboxinbox.agent.pipeline;

import io.outboxinbox.agent.configure.ConfigurationReader;
import io.outboxinbox.agent.configure.PipelineConfiguration;
import io.outboxinbox.agent.publish.kafka.PlainKafka;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * An agent in a process of its own that ends without a word at one of its steps, as by SIGKILL:
 * some of a batch are with the broker, all of it is and the position is not written, the position
 * is written and the slot not told. Arguments: the YAML's file, number of the step.
 */
final class HaltingAgent {
  /** As a shell says it of SIGKILL. */
  static final int KILLED = 137;

  private HaltingAgent() {}

  public static void main(String[] args) throws Exception {
    AtomicInteger left = new AtomicInteger(Integer.parseInt(args[1]));
    PipelineConfiguration plain =
        PlainKafka.in(
            new ConfigurationReader(Map.of())
                .read(Files.readString(Path.of(args[0])))
                .pipelines()
                .get(0),
            sent -> step(left));
    PipelineConfiguration halting =
        CrashingPublishing.pausing(plain.publish(), written -> step(left)).in(plain);
    new Pipeline(halting, "halting", Clock.systemUTC(), new Random(1)).start();
    // Its thread keeps nobody from leaving; the test ends whoever does not end by itself.
    Thread.sleep(Long.MAX_VALUE);
  }

  private static boolean step(AtomicInteger left) {
    if (left.decrementAndGet() == 0) {
      Runtime.getRuntime().halt(KILLED);
    }
    return true;
  }
}
