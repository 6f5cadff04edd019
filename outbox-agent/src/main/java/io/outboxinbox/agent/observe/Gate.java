package io.outboxinbox.agent.observe;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpFilter;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.Set;

/**
 * Lets reading of our own pages pass and nothing else. Dropwizard puts more on its admin port:
 * thread dumps, a profiler, tasks that change log levels, all for whoever reaches the port.
 */
final class Gate extends HttpFilter {
  private static final Set<String> READING = Set.of("GET", "HEAD");
  private static final String HEALTH = "/healthcheck";

  private final transient Set<String> paths;

  Gate(Set<String> paths) {
    this.paths = Set.copyOf(paths);
  }

  @Override
  protected void doFilter(
      HttpServletRequest request, HttpServletResponse response, FilterChain chain)
      throws IOException, ServletException {
    String info = request.getPathInfo() == null ? "" : request.getPathInfo();
    String path = request.getServletPath() + info;
    boolean isOurs = path.equals("/") || path.equals(HEALTH) || paths.contains(path);
    if (!isOurs) {
      response.sendError(HttpServletResponse.SC_NOT_FOUND);
    } else if (!READING.contains(request.getMethod())) {
      response.sendError(HttpServletResponse.SC_METHOD_NOT_ALLOWED);
    } else {
      chain.doFilter(request, response);
    }
  }
}
