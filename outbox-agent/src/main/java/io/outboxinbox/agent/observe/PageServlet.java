package io.outboxinbox.agent.observe;

import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.function.Function;

/** Answers GET and HEAD with a page made on the spot. */
final class PageServlet extends HttpServlet {
  /** Texts of rows and brokers are on these pages; whatever they hold, nothing of it is run. */
  static final String CONTENT_ALLOWED =
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'";

  private final transient Function<HttpServletRequest, Page> page;

  PageServlet(Function<HttpServletRequest, Page> page) {
    this.page = page;
  }

  @Override
  protected void doGet(HttpServletRequest request, HttpServletResponse response)
      throws IOException {
    Page current = page.apply(request);
    response.setStatus(current.status());
    response.setContentType(current.contentType());
    response.setHeader("Cache-Control", "no-store");
    response.setHeader("X-Content-Type-Options", "nosniff");
    response.setHeader("Content-Security-Policy", CONTENT_ALLOWED);
    response.getWriter().write(current.body());
  }
}
