package io.outboxinbox.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * How to run a program that refuses to run as root, as PostgreSQL does.
 *
 * @param prefix words before the command, empty if we are not root
 * @param ownerId user id that must own the server's files, or -1 to leave them as they are
 */
record RunAs(List<String> prefix, int ownerId) {
  private static final int NOBODY = 65_534;

  /** As the user we are. */
  static final RunAs SELF = new RunAs(List.of(), -1);

  // A user namespace without a mapping: the kernel keeps root's rights on root's files, the program
  // sees user 65534.
  static final RunAs USER_NAMESPACE = new RunAs(List.of("unshare", "--user"), -1);

  // Docker's default profile forbids unshare; giving up the rights is always allowed to root.
  static final RunAs NOBODY_BY_SETPRIV =
      new RunAs(
          List.of("setpriv", "--reuid=" + NOBODY, "--regid=" + NOBODY, "--clear-groups", "--"),
          NOBODY);

  static final RunAs NOBODY_BY_RUNUSER =
      new RunAs(List.of("runuser", "-u", "nobody", "--"), NOBODY);

  /** The first way that works on this machine. */
  static RunAs detect() {
    if (!isRoot()) {
      return SELF;
    }
    return Stream.of(USER_NAMESPACE, NOBODY_BY_SETPRIV, NOBODY_BY_RUNUSER)
        .filter(RunAs::works)
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalStateException(
                    "PostgreSQL refuses to run as root, and none of unshare, setpriv, runuser works here;"
                        + " run the tests as another user or install util-linux"));
  }

  static boolean isRoot() {
    try {
      Path self = Path.of("/proc/self");
      return Files.exists(self) && Integer.valueOf(0).equals(Files.getAttribute(self, "unix:uid"));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot find out which user we are", e);
    }
  }

  List<String> command(List<String> command) {
    return Stream.concat(prefix.stream(), command.stream()).toList();
  }

  /** Hands a directory over before the server writes to it. */
  void own(Path directory) {
    if (ownerId < 0) {
      return;
    }
    try (Stream<Path> tree = Files.walk(directory)) {
      for (Path path : tree.toList()) {
        Files.setAttribute(path, "unix:uid", ownerId);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot give " + directory + " to user id " + ownerId, e);
    }
  }

  boolean works() {
    try {
      return Command.run(command(List.of("true"))).exitCode() == 0;
    } catch (UncheckedIOException notInstalled) {
      return false;
    }
  }
}
