package io.outboxinbox.testkit;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;

/**
 * A MariaDB server for a test class, shared by the whole test run; each test has databases of its
 * own, which are dropped after it. Where the machine has no {@code mariadbd} the class is skipped,
 * and the reason names the package to install.
 *
 * <p>The field must be static and annotated with {@code @RegisterExtension}.
 */
public final class MariaDbExtension
    implements ExecutionCondition, BeforeAllCallback, AfterEachCallback {
  private final List<String> databases = new ArrayList<>();
  private @Nullable MariaDbServer server;

  private MariaDbExtension() {}

  /** Shares one server with every other class of the test run. */
  public static MariaDbExtension shared() {
    return new MariaDbExtension();
  }

  /** Creates an empty database and returns its name. */
  public String newDatabase() throws SQLException {
    String name = "test_" + UUID.randomUUID().toString().replace("-", "");
    server().execute("CREATE DATABASE " + name);
    databases.add(name);
    return name;
  }

  public int port() {
    return server().port();
  }

  /** Who may do everything. */
  public String user() {
    return MariaDbServer.USER;
  }

  public String password() {
    return MariaDbServer.PASSWORD;
  }

  /** A condition and no assumption: reports show a class that is switched off, with the reason. */
  @Override
  public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
    return MariaDbServer.isInstalled()
        ? ConditionEvaluationResult.enabled("mariadbd is installed")
        : ConditionEvaluationResult.disabled(
            "no mariadbd on this machine; install package "
                + MariaDbServer.PACKAGE
                + " to run these tests");
  }

  @Override
  public void beforeAll(ExtensionContext context) {
    // The root's store lives as long as the test run, and JUnit closes what is in it.
    server =
        context
            .getRoot()
            .getStore(Namespace.create(MariaDbExtension.class))
            .getOrComputeIfAbsent(
                "server", key -> new SharedServer(MariaDbServer.start()), SharedServer.class)
            .server();
  }

  @Override
  public void afterEach(ExtensionContext context) throws SQLException {
    for (String database : databases) {
      server().execute("DROP DATABASE IF EXISTS " + database);
    }
    databases.clear();
  }

  private MariaDbServer server() {
    MariaDbServer current = server;
    if (current == null) {
      throw new IllegalStateException(
          "the MariaDB extension has not started yet; annotate its static field with"
              + " @RegisterExtension and use it from @BeforeAll on");
    }
    return current;
  }

  /** What the root's store holds. */
  private record SharedServer(MariaDbServer server) implements AutoCloseable {
    @Override
    public void close() {
      server.close();
    }
  }
}
