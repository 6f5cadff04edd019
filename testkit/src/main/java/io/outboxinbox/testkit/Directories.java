package io.outboxinbox.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** Temporary directories and their removal. */
final class Directories {
  private static final Path MEMORY = Path.of("/dev/shm");

  /** What all servers of a build need at a time, several times over. */
  private static final long MEMORY_BYTES = 8L << 30;

  private Directories() {}

  /**
   * A new directory for a server's data. With {@code -Dtestkit.memory=true} it lies in memory where
   * the machine has plenty: hundreds of databases made and dropped keep a disk busier than the
   * processors. What a killed process wrote is there afterwards either way.
   */
  static Path temporary(String purpose) {
    String prefix = "outbox-testkit-" + purpose + "-";
    try {
      return isMemoryWanted()
          ? Files.createTempDirectory(MEMORY, prefix)
          : Files.createTempDirectory(prefix);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot create a temporary directory for " + purpose, e);
    }
  }

  private static boolean isMemoryWanted() throws IOException {
    return Boolean.getBoolean("testkit.memory")
        && Files.isWritable(MEMORY)
        && Files.getFileStore(MEMORY).getUsableSpace() >= MEMORY_BYTES;
  }

  /** Puts files into a directory that is empty. */
  @FunctionalInterface
  interface Filling {
    void fill(Path directory) throws IOException;
  }

  /**
   * Makes a directory that all processes of this machine share, if it is not there.
   *
   * @return {@code ready}
   */
  static Path madeOnce(Path ready, Predicate<Path> isWhole, Filling filling) throws IOException {
    // Asked first: what another process makes from here on is not for us to delete.
    boolean wasThere = Files.exists(ready);
    if (isWhole.test(ready)) {
      return ready;
    }
    if (wasThere) {
      // Who sweeps old files out of the temporary directory has taken some.
      delete(ready);
    }
    Path fresh = Files.createTempDirectory(ready.getParent(), "making-");
    try {
      filling.fill(fresh);
      Files.move(fresh, ready, StandardCopyOption.ATOMIC_MOVE);
    } catch (FileSystemException e) {
      // Usually another process was faster, and what it has made is as good as ours.
      if (!isWhole.test(ready)) {
        throw e;
      }
    } finally {
      delete(fresh);
    }
    return ready;
  }

  static boolean hasEntries(Path directory) throws IOException {
    try (Stream<Path> entries = Files.list(directory)) {
      return entries.findAny().isPresent();
    }
  }

  /** Fills an empty directory with what is wanted of another, which nobody changes meanwhile. */
  static void copy(Path source, Path target, Predicate<Path> wanted) throws IOException {
    if (Files.getFileStore(target).supportsFileAttributeView("posix")) {
      Files.setPosixFilePermissions(target, Files.getPosixFilePermissions(source));
    }
    try (Stream<Path> tree = Files.walk(source)) {
      for (Path path : tree.skip(1).filter(wanted).toList()) {
        Files.copy(
            path, target.resolve(source.relativize(path)), StandardCopyOption.COPY_ATTRIBUTES);
      }
    }
  }

  /** Removes what is in a directory. */
  static void clear(Path directory) {
    try (Stream<Path> entries = Files.list(directory)) {
      entries.toList().forEach(Directories::delete);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot empty " + directory, e);
    }
  }

  /** Removes the tree; a file that vanishes meanwhile is what we wanted. */
  static void delete(Path root) {
    if (!Files.exists(root)) {
      return;
    }
    List<Path> deepestFirst;
    try (Stream<Path> tree = Files.walk(root)) {
      deepestFirst = tree.sorted(Comparator.reverseOrder()).toList();
    } catch (NoSuchFileException vanished) {
      return;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot list " + root, e);
    }
    for (Path path : deepestFirst) {
      try {
        Files.deleteIfExists(path);
      } catch (IOException e) {
        throw new UncheckedIOException("cannot delete " + path, e);
      }
    }
  }
}
