package io.outboxinbox.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * A cluster as initdb makes it, kept beside the programs. A copy of it is there at once, where
 * initdb takes a processor for more than a second; and it has a system identifier of its own, by
 * which clusters are told apart.
 */
final class ClusterTemplate {
  private static final RandomGenerator RANDOM = new SecureRandom();

  /** Appended to the server's own. */
  private static final String SETTINGS = "\ninclude_if_exists 'testkit.conf'\n";

  private static final String VERSION = "PG_VERSION";

  /** Some of what a server does not start without, empty directories among them. */
  private static final List<String> NEEDED =
      List.of(VERSION, "global/pg_control", "base/1", "pg_notify", "pg_twophase", "pg_wal");

  /** Of {@code XLogLongPageHeaderData.xlp_sysid}, in the first page of each file of the log. */
  private static final int IDENTIFIER_IN_LOG = 24;

  private final PostgresVersion version;
  private final Path programs;
  private final RunAs runAs;

  ClusterTemplate(PostgresVersion version, Path programs, RunAs runAs) {
    this.version = version;
    this.programs = programs;
    this.runAs = runAs;
  }

  /**
   * Makes a new cluster.
   *
   * @param superuser who owns it; the password is in a file among the programs
   * @throws IllegalStateException something else is in the directory
   */
  void copyTo(Path target, String superuser) {
    try {
      Files.createDirectories(target);
      if (Directories.hasEntries(target)) {
        throw new IllegalStateException(
            target + " is neither empty nor a cluster: name another directory");
      }
      Path template = madeOnce(superuser);
      // Last what a cluster is known by: a copy that was cut short is not to be taken for one.
      Directories.copy(template, target, file -> !file.equals(template.resolve(VERSION)));
      identify(target, Instant.now().getEpochSecond() << 32 | RANDOM.nextLong(1L << 32));
      Files.copy(
          template.resolve(VERSION), target.resolve(VERSION), StandardCopyOption.COPY_ATTRIBUTES);
      runAs.own(target);
    } catch (IOException e) {
      Directories.clear(target);
      throw new UncheckedIOException("cannot make a cluster in " + target, e);
    }
  }

  private Path madeOnce(String superuser) throws IOException {
    List<String> options = options(superuser);
    // Named by all that it depends on, so that a template of other options is not taken for it.
    Path ready =
        programs.resolveSibling(
            "%s-cluster-%08x"
                .formatted(
                    programs.getFileName(),
                    Objects.hash(
                        options, SETTINGS, runAs.ownerId(), ZoneId.systemDefault().getId())));
    return Directories.madeOnce(
        ready,
        ClusterTemplate::isWhole,
        fresh -> {
          runAs.own(fresh);
          initialize(fresh, options);
        });
  }

  private static boolean isWhole(Path cluster) {
    return NEEDED.stream().map(cluster::resolve).allMatch(Files::exists);
  }

  private List<String> options(String superuser) {
    List<String> options =
        new ArrayList<>(
            List.of(
                "--username=" + superuser,
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync"));
    if (version.major() >= 16) {
      // Tests connect some hundred thousand times; thousands of rounds each protect nothing here.
      options.add("--set=scram_iterations=1");
    }
    return options;
  }

  private void initialize(Path directory, List<String> options) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                PostgresBinaries.program(programs, "initdb"),
                "--pgdata=" + directory,
                "--pwfile=" + programs.resolve("superuser-password")));
    command.addAll(options);
    Command.Result result = Command.run(runAs.command(command));
    if (result.exitCode() != 0) {
      throw new IllegalStateException(command + " failed:\n" + result.output());
    }
    Files.writeString(directory.resolve("postgresql.conf"), SETTINGS, StandardOpenOption.APPEND);
  }

  /** Puts an identifier where the server looks for it; it refuses to start where they differ. */
  private static void identify(Path cluster, long identifier) throws IOException {
    Path control = cluster.resolve("global/pg_control");
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(control)).order(ByteOrder.nativeOrder());
    int checksum = checksumOf(bytes);
    bytes.putLong(0, identifier).putInt(checksum, crc(bytes, checksum));
    Files.write(control, bytes.array());
    try (Stream<Path> log = Files.list(cluster.resolve("pg_wal"))) {
      for (Path file : log.filter(Files::isRegularFile).toList()) {
        ByteBuffer inLog = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.nativeOrder());
        inLog.putLong(0, identifier);
        try (var channel = Files.newByteChannel(file, StandardOpenOption.WRITE)) {
          channel.position(IDENTIFIER_IN_LOG).write(inLog);
        }
      }
    }
  }

  /** Where the checksum is: behind what it covers, which is more in each version. */
  private static int checksumOf(ByteBuffer control) {
    for (int at = Long.BYTES; at <= control.capacity() - Integer.BYTES; at += Integer.BYTES) {
      if (control.getInt(at) == crc(control, at)) {
        return at;
      }
    }
    throw new IllegalStateException("no checksum found in pg_control");
  }

  private static int crc(ByteBuffer bytes, int length) {
    CRC32C crc = new CRC32C();
    crc.update(bytes.slice(0, length));
    return (int) crc.getValue();
  }
}
