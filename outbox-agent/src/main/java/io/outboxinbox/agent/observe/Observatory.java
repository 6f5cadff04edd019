package io.outboxinbox.agent.observe;

import com.codahale.metrics.MetricRegistry;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.dropwizard.core.setup.AdminEnvironment;
import io.dropwizard.core.setup.Environment;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.prometheus.metrics.core.metrics.Info;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.http.HttpServletRequest;
import java.time.Clock;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Puts health, status and metrics on the admin port: everything is read-only, nothing else answers.
 */
public final class Observatory {
  private static final String PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

  private Observatory() {}

  /** Registers health checks and pages; to be called once, before the server starts. */
  public static void install(
      Environment environment,
      RunningAgent agent,
      List<ObservedPipeline> pipelines,
      DeadThreads deadThreads,
      Clock clock) {
    for (ObservedPipeline pipeline : pipelines) {
      environment
          .healthChecks()
          .register(pipeline.status().name(), new PipelineHealthCheck(pipeline, clock));
    }
    ObjectMapper mapper =
        environment
            .getObjectMapper()
            .copy()
            .disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS);
    StatusView view = new StatusView(agent, pipelines, clock, mapper);
    Page forPeople = Page.file("page.html", "text/html; charset=utf-8");
    Page style = Page.file("page.css", "text/css; charset=utf-8");
    Page script = Page.file("page.js", "text/javascript; charset=utf-8");
    PrometheusMeterRegistry metrics = metrics(agent, pipelines, environment.metrics(), clock);
    ParkedView parked = new ParkedView(pipelines, mapper, forPeople);
    Map<String, Function<HttpServletRequest, Page>> pages =
        Map.of(
            "", request -> forPeople,
            "/page.css", request -> style,
            "/page.js", request -> script,
            "/status", request -> view.json(),
            "/live", request -> view.liveness(deadThreads),
            "/ready", request -> view.readiness(),
            "/parked", parked::page,
            "/metrics",
                request -> new Page(Page.OK, PROMETHEUS_TYPE, metrics.scrape(PROMETHEUS_TYPE)));
    AdminEnvironment admin = environment.admin();
    pages.forEach(
        (path, answer) ->
            admin.addServlet("page" + path, new PageServlet(answer)).addMapping(path));
    admin
        .addFilter("gate", new Gate(pages.keySet()))
        .addMappingForUrlPatterns(EnumSet.of(DispatcherType.REQUEST), false, "/*");
  }

  static PrometheusMeterRegistry metrics(
      RunningAgent agent, List<ObservedPipeline> pipelines, MetricRegistry server, Clock clock) {
    PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    pipelines.forEach(pipeline -> PipelineMeters.register(registry, pipeline, clock));
    // Micrometer has no meter of this kind, and its name ends as only this kind's may.
    Info.builder()
        .name(PipelineMeters.PREFIX + "info")
        .help("1, with the version of this agent")
        .labelNames("version")
        .register(registry.getPrometheusRegistry())
        .setLabelValues(agent.version());
    registry.getPrometheusRegistry().register(new DropwizardMetrics(server));
    return registry;
  }
}
