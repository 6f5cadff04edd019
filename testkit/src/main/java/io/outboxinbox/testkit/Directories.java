package io.outboxinbox.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** Temporary directories and their removal. */
final class Directories {
  private Directories() {}

  static Path temporary(String purpose) {
    try {
      return Files.createTempDirectory("outbox-testkit-" + purpose + "-");
    } catch (IOException e) {
      throw new UncheckedIOException("cannot create a temporary directory for " + purpose, e);
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
