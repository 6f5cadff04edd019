package io.outboxinbox.agent.observe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.outboxinbox.agent.pipeline.PipelineStatus.State;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What people see. Needs Chromium, else skipped; PageFilesTest needs none. */
class PageInBrowserIT {
  private static final String HOSTILE =
      "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\"> \u202E'&lt;";

  @TempDir private Path folder;
  private final Map<String, Page> pages = new ConcurrentHashMap<>();
  private HttpServer server;
  private Path chromium;

  @BeforeEach
  void start() throws IOException {
    Optional<Path> found =
        Stream.of("chromium", "chromium-browser", "google-chrome")
            .map(name -> Path.of("/usr/bin", name))
            .filter(Files::isExecutable)
            .findFirst();
    assumeTrue(found.isPresent(), "no Chromium here");
    chromium = found.orElseThrow();
    pages.put("/", Page.file("page.html", "text/html; charset=utf-8"));
    pages.put("/page.css", Page.file("page.css", "text/css; charset=utf-8"));
    pages.put("/page.js", Page.file("page.js", "text/javascript; charset=utf-8"));
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/", this::answer);
    server.start();
  }

  @AfterEach
  void stop() {
    if (server != null) {
      server.stop(0);
    }
  }

  private void answer(HttpExchange exchange) throws IOException {
    String query = exchange.getRequestURI().getQuery();
    String path = exchange.getRequestURI().getPath();
    boolean isPage = path.equals("/parked") && (query == null || !query.contains("format=json"));
    Page page = pages.getOrDefault(isPage ? "/" : path, Page.text(Page.NOT_FOUND, "not found"));
    byte[] body = page.body().getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", page.contentType());
    exchange.getResponseHeaders().set("Content-Security-Policy", PageServlet.CONTENT_ALLOWED);
    exchange.sendResponseHeaders(page.status(), body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }

  /** The page as it is after a second of its own time. */
  private String seen(String path) throws Exception {
    Path dump = folder.resolve("dump.html");
    Process browser =
        new ProcessBuilder(
                chromium.toString(),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--user-data-dir=" + folder.resolve("profile"),
                "--virtual-time-budget=1000",
                "--dump-dom",
                "http://127.0.0.1:" + server.getAddress().getPort() + path)
            .redirectOutput(dump.toFile())
            .redirectError(folder.resolve("errors.txt").toFile())
            .start();
    boolean isOver = browser.waitFor(60, TimeUnit.SECONDS);
    browser.destroyForcibly();
    assertThat(isOver).as("the browser ends").isTrue();
    return Files.readString(dump);
  }

  @Test
  void theStatusSaysWhatIsWrongBeforeAnyFigureAndRunsNothingOfIt() throws Exception {
    pages.put(
        "/status",
        ObservatoryTest.view(
                ObservatoryTest.withParked(State.LEADING),
                ObservatoryTest.withReason(State.STOPPED, HOSTILE),
                ObservatoryTest.withReason(State.STANDBY, ""))
            .json());
    String html = seen("/");
    assertThat(html)
        .contains("<title>outbox-agent</title>", "version 1.2.3 on host host-a, process 77")
        .contains("<section class=\"warn\"><h2>orders: ready, but see the warning</h2>")
        .contains("warning: parked events: 30, keys they hold: 3, the oldest since <time>2026-")
        .contains("<section class=\"bad\"><h2>orders: not ready</h2>", "&lt;script&gt;")
        .contains("<section class=\"good\"><h2>orders: ready</h2>")
        .contains("</time>, host-b/8 at 10.0.0.2 leads")
        .doesNotContain("<script>", "<img", "11:59:59.");
    String stopped = html.substring(html.indexOf("class=\"bad\""), html.indexOf("class=\"good\""));
    assertThat(stopped.indexOf("STOPPED since")).isPositive().isLessThan(stopped.indexOf("<dl>"));
    // A standby shows nothing that looks as if nothing were published.
    assertThat(html.substring(html.indexOf("class=\"good\"")))
        .contains("WAL retained")
        .doesNotContain("published", "sequence", "last pulse");
  }

  @Test
  void parkedEventsAreATableThatRowsCannotScript() throws Exception {
    pages.put("/status", ObservatoryTest.view(ObservatoryTest.withParked(State.LEADING)).json());
    String event =
        """
        {"ordinal": %d, "parkedAt": "2026-01-01T12:00:00.5Z", "eventId": null, "eventType": "t", "topic": "x",
         "key": "%s", "payloadBytes": 6, "isBehind": %b, "requested": null, "isOnItsWay": false,
         "reason": "event 'id-%1$d': no topic %2$s"}
        """;
    String hostile = HOSTILE.replace("\"", "\\\"");
    pages.put(
        "/parked",
        new Page(
            Page.OK,
            "application/json",
            """
            {"pipeline": "orders", "totals":
             {"events": 1500, "culprits": 3, "behind": 1497, "keys": 3, "oldest": "2026-01-01T12:00:00.5Z"},
             "byTopic": {"1": 500, "order": 1000}, "byReason": {}, "elsewhere": {}, "events": [%s, %s], "next": 2}
            """
                .formatted(
                    event.formatted(1, "k".repeat(301), false),
                    event.formatted(2, hostile, true))));
    assertThat(seen("/parked?pipeline=orders"))
        .contains("<title>parked events</title>", "<h1>parked events of orders</h1>")
        .contains("1,500 wait: 3 with a fault of their own, 1,497 behind them; 3 keys, the oldest")
        .contains("parked release agent.yml --pipeline orders 1 --wait", "k".repeat(300) + "...")
        .contains("<td>order</td><td>1,000</td></tr><tr><td>1</td><td>500</td>")
        .contains("href=\"?pipeline=orders&amp;after=2\"", "?pipeline=orders&amp;format=json")
        .containsOnlyOnce("<h2>no topic &lt;script&gt;")
        .doesNotContain("<script>", "<img", "\u202E", "12:00:00.");
  }

  @Test
  void saysWhyNothingIsShown() throws Exception {
    pages.put("/status", Page.text(Page.UNAVAILABLE, "a proxy is <tired>\n"));
    pages.put("/parked", Page.text(Page.UNAVAILABLE, "database shop: <nobody> answers\n"));
    assertThat(seen("/"))
        .contains("<h2>state not known</h2>", "a proxy is &lt;tired&gt;", "asked again every 5 s");
    assertThat(seen("/parked"))
        .contains("<h2>events not known</h2>", "database shop: &lt;nobody&gt; answers");
  }
}
