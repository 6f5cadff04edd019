package io.outboxinbox.testkit;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;

/**
 * A PostgreSQL server for a test class. The server is shared by the whole test run, databases are
 * not:
 *
 * <pre>{@code
 * @RegisterExtension
 * static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);
 *
 * @Test
 * void keepsRows() throws SQLException {
 *   PostgresDatabase database = postgres.newDatabase();
 *   database.execute("CREATE TABLE kept (id int)");
 * }
 * }</pre>
 *
 * <p>A database made in a test or in {@code @BeforeEach} is dropped after that test, one made in
 * {@code @BeforeAll} after the class, replication slots included. Roles belong to the whole server
 * and stay. To stop or kill a server, start a {@link PostgresServer} of your own. Tests of one
 * class must not run in parallel.
 *
 * <p>With {@code -Dtestkit=containers} the server is a container of the official image. That needs
 * Testcontainers on the class path and a Docker engine; the error says which of them is missing.
 */
public final class PostgresExtension
    implements BeforeAllCallback, BeforeEachCallback, AfterEachCallback, AfterAllCallback {
  private final PostgresVersion version;
  private final List<String> databasesOfClass = new ArrayList<>();
  private final List<String> databasesOfTest = new ArrayList<>();
  private boolean inTest;
  private @Nullable PostgresAddress address;

  private PostgresExtension(PostgresVersion version) {
    this.version = version;
  }

  /** Shares one server of this version with every other class of the test run. */
  public static PostgresExtension shared(PostgresVersion version) {
    return new PostgresExtension(version);
  }

  /**
   * A database of its own.
   *
   * @param files of {@code schema/postgresql} that were run in it as superuser, in this order, such
   *     as {@code 01_outbox}; none for an empty database. What they grant on the database itself is
   *     missing
   */
  public PostgresDatabase newDatabase(String... files) throws SQLException {
    PostgresAddress server = server();
    String name = server.createDatabase("test", List.of(files));
    (inTest ? databasesOfTest : databasesOfClass).add(name);
    return server.database(name);
  }

  public PostgresVersion version() {
    return version;
  }

  public String host() {
    return server().host();
  }

  public int port() {
    return server().port();
  }

  public String superuser() {
    return server().user();
  }

  public String superuserPassword() {
    return server().password();
  }

  @Override
  public void beforeAll(ExtensionContext context) {
    startIn(context);
  }

  @Override
  public void beforeEach(ExtensionContext context) {
    // Not started yet if the field is not static.
    startIn(context);
    inTest = true;
  }

  @Override
  public void afterEach(ExtensionContext context) throws SQLException {
    inTest = false;
    drop(databasesOfTest);
  }

  @Override
  public void afterAll(ExtensionContext context) throws SQLException {
    drop(databasesOfClass);
  }

  private void startIn(ExtensionContext context) {
    // The root's store lives as long as the test run, and JUnit closes what is in it.
    SharedServer server =
        context
            .getRoot()
            .getStore(Namespace.create(PostgresExtension.class))
            .getOrComputeIfAbsent(version, SharedServer::start, SharedServer.class);
    address = server.address();
  }

  private PostgresAddress server() {
    PostgresAddress current = address;
    if (current == null) {
      throw new IllegalStateException(
          "the PostgreSQL extension has not started yet; annotate its field with @RegisterExtension"
              + " and use it from @BeforeAll on");
    }
    return current;
  }

  private void drop(List<String> databases) throws SQLException {
    for (String database : databases) {
      server().dropDatabase(database);
    }
    databases.clear();
  }

  /** What the root's store holds. */
  private record SharedServer(PostgresAddress address, Runnable stop) implements AutoCloseable {
    static SharedServer start(PostgresVersion version) {
      if (Backend.chosen() == Backend.EMBEDDED) {
        PostgresServer server = PostgresServer.start(version);
        return new SharedServer(server.address(), server::close);
      }
      try {
        var started = Containers.postgres(version);
        return new SharedServer(started.address(), started.stop());
      } catch (NoClassDefFoundError e) {
        throw Backend.missing(e);
      }
    }

    @Override
    public void close() {
      stop.run();
    }
  }
}
