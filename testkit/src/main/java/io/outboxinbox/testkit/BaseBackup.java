package io.outboxinbox.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Set;

/**
 * Copies the data of a running server, as pg_basebackup does, which the embedded binaries lack.
 *
 * <p>PostgreSQL docs, Making a Base Backup Using the Low Level API.
 */
final class BaseBackup {
  /** Directories whose contents a start makes anew, or that belong to the original alone. */
  private static final Set<String> EMPTY =
      Set.of(
          "pg_wal",
          "pg_replslot",
          "pg_dynshmem",
          "pg_notify",
          "pg_serial",
          "pg_snapshots",
          "pg_stat_tmp",
          "pg_subtrans");

  /** Files of the original alone; what ALTER SYSTEM has set there is not meant for the copy. */
  private static final Set<String> LEFT_OUT =
      Set.of(
          "postmaster.pid",
          "postmaster.opts",
          "postgresql.auto.conf",
          "testkit.conf",
          "testkit-server.log",
          "pg_internal.init");

  private static final String CONTROL_FILE = "global/pg_control";

  private BaseBackup() {}

  /** Fills an empty directory with a copy that starts as a standby. */
  static void copy(PostgresServer original, Path target) {
    // The backup lasts as long as the session that began it.
    try (Connection session = original.connect("postgres");
        Statement statement = session.createStatement()) {
      statement.execute("SELECT pg_backup_start('testkit', true)");
      copyFiles(original.dataDirectory(), target);
      try (ResultSet stopped = statement.executeQuery("SELECT * FROM pg_backup_stop(false)")) {
        stopped.next();
        Files.writeString(target.resolve("backup_label"), stopped.getString("labelfile"));
      }
      Files.writeString(target.resolve("postgresql.auto.conf"), "");
      Files.writeString(target.resolve("standby.signal"), "");
    } catch (SQLException e) {
      throw new IllegalStateException("cannot back up " + original, e);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot copy the data of " + original, e);
    }
  }

  private static void copyFiles(Path source, Path target) throws IOException {
    Files.walkFileTree(source, new Copying(source, target));
    // Last, so that it is not older than the files it speaks of.
    Files.copy(
        source.resolve(CONTROL_FILE),
        target.resolve(CONTROL_FILE),
        StandardCopyOption.REPLACE_EXISTING,
        StandardCopyOption.COPY_ATTRIBUTES);
  }

  /** Copies a tree that changes meanwhile. */
  private static final class Copying extends SimpleFileVisitor<Path> {
    private final Path source;
    private final Path target;

    Copying(Path source, Path target) {
      this.source = source;
      this.target = target;
    }

    @Override
    public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes)
        throws IOException {
      Path relative = source.relativize(directory);
      Path made = target.resolve(relative);
      if (!Files.isDirectory(made)) {
        // With the attributes, because the server refuses directories that others may enter.
        Files.copy(directory, made, StandardCopyOption.COPY_ATTRIBUTES);
      }
      return EMPTY.contains(relative.toString())
          ? FileVisitResult.SKIP_SUBTREE
          : FileVisitResult.CONTINUE;
    }

    @Override
    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
      String name = String.valueOf(file.getFileName());
      if (LEFT_OUT.contains(name) || name.startsWith("pgsql_tmp")) {
        return FileVisitResult.CONTINUE;
      }
      try {
        Files.copy(
            file, target.resolve(source.relativize(file)), StandardCopyOption.COPY_ATTRIBUTES);
      } catch (NoSuchFileException dropped) {
        // Its removal is in the log that the copy replays.
        return FileVisitResult.CONTINUE;
      }
      return FileVisitResult.CONTINUE;
    }

    @Override
    public FileVisitResult visitFileFailed(Path file, IOException failure) throws IOException {
      if (failure instanceof NoSuchFileException) {
        return FileVisitResult.CONTINUE;
      }
      throw failure;
    }
  }
}
