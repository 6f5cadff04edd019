package io.outboxinbox.quickstart.stage;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** The packaged agent. */
public final class AgentProcess implements AutoCloseable {
  private static final Duration ANSWERS_WITHIN = Duration.ofSeconds(2);

  /** Plenty for this load; without it the JVM takes a quarter of the machine. */
  private static final String HEAP = "-Xmx256m";

  private final Service process;
  private final Path configuration;
  private final URI ready;
  private final HttpClient http = HttpClient.newBuilder().connectTimeout(ANSWERS_WITHIN).build();

  public AgentProcess(Path jar, Workplace workplace, AgentSettings settings) throws Trouble {
    if (!Files.isRegularFile(jar)) {
      throw new Trouble(
          "the agent's jar "
              + jar
              + " is missing; start by the script quickstart, which builds it");
    }
    this.configuration = workplace.file("agent.yml");
    this.ready = URI.create("http://127.0.0.1:" + settings.agentPort() + "/ready");
    settings.writeTo(configuration);
    this.process =
        new Service(
            "agent",
            workplace,
            List.of(HEAP, "-jar", jar.toString(), "server", configuration.toString()));
  }

  /** To start, kill and look after; {@link #isReady} tells when it publishes. */
  public Service process() {
    return process;
  }

  /** Whether it says that it publishes. */
  public boolean isReady() {
    HttpRequest request = HttpRequest.newBuilder(ready).timeout(ANSWERS_WITHIN).build();
    try {
      return http.send(request, HttpResponse.BodyHandlers.discarding()).statusCode() == 200;
    } catch (IOException notYet) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  public Path configuration() {
    return configuration;
  }

  /** The status page's address. */
  public URI page() {
    return ready.resolve("/");
  }

  @Override
  public void close() throws Trouble {
    process.close();
  }
}
