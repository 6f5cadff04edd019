package io.outboxinbox.quickstart.stage;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * The directory of one run: data of the servers, the agent's configuration, logs. Deleted at the
 * end unless it is to be kept.
 */
public final class Workplace implements AutoCloseable {
  static final String PREFIX = "outbox-quickstart-";

  /**
   * Both servers start with some hundred megabytes; at 200 events a second an hour adds as much.
   */
  private static final long FREE_BYTES_MIN = 1L << 30;

  private static final long MEGABYTE = 1L << 20;

  private final Path directory;
  private final boolean kept;
  private final FileChannel sign;

  private Workplace(Path directory, boolean kept, FileChannel sign) {
    this.directory = directory;
    this.kept = kept;
    this.sign = sign;
  }

  /**
   * A new directory under {@code parent}.
   *
   * @throws Trouble too little space, or no right to write
   */
  public static Workplace create(Path parent, boolean kept) throws Trouble {
    try {
      requireSpace(parent, Files.getFileStore(parent).getUsableSpace());
      Path directory = Files.createTempDirectory(parent, PREFIX);
      if (Files.getFileStore(directory).supportsFileAttributeView("posix")) {
        // Enter, not list: PostgreSQL may have to run as another user when we are root.
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwx--x--x"));
      }
      return new Workplace(directory, kept, Leftovers.showAlive(directory));
    } catch (IOException e) {
      throw new Trouble(
          "cannot write to " + parent + " (" + e + "); name another directory with --work-in", e);
    }
  }

  static void requireSpace(Path parent, long usableBytes) throws Trouble {
    if (usableBytes < FREE_BYTES_MIN) {
      throw new Trouble(
          "only "
              + usableBytes / MEGABYTE
              + " MB are free in "
              + parent
              + ", the quickstart needs "
              + FREE_BYTES_MIN / MEGABYTE
              + "; make room or name another directory with --work-in");
    }
  }

  public Path directory() {
    return directory;
  }

  public Path file(String name) {
    return directory.resolve(name);
  }

  public boolean kept() {
    return kept;
  }

  /** Deletes everything, unless it is kept. */
  @Override
  public void close() throws IOException {
    // Windows deletes no file that is open.
    sign.close();
    if (kept) {
      Files.deleteIfExists(file(Leftovers.ALIVE_FILE));
    } else {
      delete(directory);
    }
  }

  static void delete(Path root) throws IOException {
    List<Path> deepestFirst;
    try (Stream<Path> tree = Files.walk(root)) {
      deepestFirst = tree.sorted(Comparator.reverseOrder()).toList();
    } catch (NoSuchFileException gone) {
      return;
    }
    for (Path path : deepestFirst) {
      Files.deleteIfExists(path);
    }
  }
}
