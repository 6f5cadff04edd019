package io.outboxinbox.agent.configure;

import com.fasterxml.jackson.annotation.JsonProperty;
import io.dropwizard.core.Configuration;
import io.dropwizard.core.server.SimpleServerFactory;
import io.dropwizard.validation.selfvalidating.SelfValidating;
import io.dropwizard.validation.selfvalidating.SelfValidation;
import io.dropwizard.validation.selfvalidating.ViolationCollector;
import io.outboxinbox.agent.source.SourceConfiguration;
import jakarta.validation.Valid;
import jakarta.validation.constraints.NotEmpty;
import jakarta.validation.constraints.NotNull;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Root of the YAML: Dropwizard's own blocks and the pipelines. Read once, before anything starts.
 */
@SelfValidating
public final class AgentConfiguration extends Configuration {
  /**
   * What Dropwizard's blocks say where the file does not.
   *
   * <p>One port, on this machine only: it answers without asking who calls. Line ends in messages
   * are replaced, because text from rows and brokers could otherwise forge lines. Libraries speak
   * from WARN on; Debezium's collector of statistics not even then, because once its queue is full
   * it warns about every single event; Kafka's network client warns at each attempt while a broker
   * is away, which the pipeline says once; why a server cannot start is told by the command.
   */
  public static final String DEFAULTS =
      """
      server:
        type: simple
        applicationContextPath: /application
        adminContextPath: /
        connector:
          type: http
          bindHost: 127.0.0.1
          port: 8081
        requestLog:
          appenders: []
        gzip:
          enabled: false
      logging:
        level: WARN
        loggers:
          io.outboxinbox: INFO
          io.debezium.metrics.stats.MeasurementCollector: "OFF"
          org.apache.kafka.clients.NetworkClient: ERROR
          io.dropwizard.core.cli.ServerCommand: "OFF"
        appenders:
          - type: console
            timeZone: UTC
            logFormat: "%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z',UTC} %-5level [%X{pipeline:-agent}] %logger{0}: %replace(%msg){'[\\\\r\\\\n]+', ' | '}%n%rEx"
      """;

  @Valid
  @NotEmpty(message = "must hold at least one pipeline")
  @JsonProperty
  private List<@NotNull(message = "must be a pipeline's block") PipelineConfiguration> pipelines =
      List.of();

  /** In the order of the file; names are unique. */
  public List<PipelineConfiguration> pipelines() {
    return pipelines;
  }

  /**
   * The pipeline of this name.
   *
   * @param name may be null where there is one pipeline only
   * @throws IOException there is none, or it takes a name to tell; says which there are
   */
  public PipelineConfiguration pipeline(@Nullable String name) throws IOException {
    if (name == null && pipelines.size() == 1) {
      return pipelines.get(0);
    }
    List<String> names = pipelines.stream().map(PipelineConfiguration::name).toList();
    if (name == null) {
      throw new IOException(
          "the configuration has %d pipelines; say --pipeline and one of %s"
              .formatted(names.size(), names));
    }
    return pipelines.stream()
        .filter(candidate -> candidate.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new IOException(
                    "no pipeline %s in the configuration; there are %s".formatted(name, names)));
  }

  /** Faults that need more than one block to see. */
  @SelfValidation
  public void checkTogether(ViolationCollector faults) {
    if (!(getServerFactory() instanceof SimpleServerFactory)) {
      faults.addViolation("server.type", "must be simple: the agent has one port");
    }
    Map<String, Integer> names = new HashMap<>();
    Map<String, Integer> streams = new HashMap<>();
    for (int i = 0; i < pipelines.size(); i++) {
      @Nullable PipelineConfiguration pipeline = pipelines.get(i);
      if (pipeline == null) {
        continue;
      }
      String path = "pipelines[" + i + "]";
      @Nullable Integer sameName = names.putIfAbsent(String.valueOf(pipeline.name()), i);
      if (sameName != null && pipeline.name() != null) {
        faults.addViolation(
            path + ".name", "must be unique; pipelines[" + sameName + "] has it too");
      }
      @Nullable Integer sameStream = streams.putIfAbsent(streamOf(pipeline.source()), i);
      if (sameStream != null) {
        faults.addViolation(
            path + ".source.publication",
            "must not be read twice; pipelines[%d] reads %s from the same database"
                .formatted(sameStream, pipeline.source().publication()));
      }
    }
  }

  private static String streamOf(SourceConfiguration source) {
    return "%s:%d/%s/%s"
        .formatted(source.host(), source.port(), source.database(), source.publication());
  }
}
