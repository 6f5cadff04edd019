package io.outboxinbox.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What another run has left in the temporary directory hides what a first run meets. */
class FirstRunIT {
  @ParameterizedTest
  @ValueSource(strings = {"plain", "./a/../dotted"})
  void startsWhereNothingHasBeenUnpackedYet(String name, @TempDir Path empty) throws Exception {
    Path temporary = empty.resolve(name);
    Files.createDirectories(empty.resolve("a"));
    Files.createDirectories(temporary);
    List<String> program =
        ChildProcess.java(
            "-Djava.io.tmpdir=" + temporary,
            "-cp",
            System.getProperty("java.class.path"),
            FirstStart.class.getName());

    Command.Result first = Command.run(program);

    assertThat(first.output()).contains("started PostgreSQL 17");
  }

  static final class FirstStart {
    public static void main(String[] args) throws SQLException {
      try (PostgresServer server = PostgresServer.start(PostgresVersion.V17)) {
        System.out.println(
            "started PostgreSQL " + Sql.query(server, "postgres", "SHOW server_version"));
      }
    }
  }
}
