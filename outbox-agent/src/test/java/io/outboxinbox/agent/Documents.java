package io.outboxinbox.agent;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;

/** The pages of the repository, those of modules included. */
final class Documents {
  static final Path ROOT = Path.of("..");

  private static final Pattern CODE_BLOCK = Pattern.compile("(?ms)^ *```.*?^ *```");

  private Documents() {}

  static List<Path> all() throws IOException {
    return files(".md");
  }

  /** Pages that tell what there was; all others tell what there is. */
  static boolean isOfThePast(Path page) {
    return page.endsWith("CHANGELOG.md") || page.startsWith(ROOT.resolve("docs/decisions"));
  }

  /** A page without its blocks of code, as many lines as before. */
  static String prose(String page) {
    return CODE_BLOCK
        .matcher(page)
        .replaceAll(block -> "\n".repeat((int) block.group().lines().count() - 1));
  }

  /** Files that end so, in all modules; not what a build or an editor has put there. */
  static List<Path> files(String... endings) throws IOException {
    List<Path> found = new ArrayList<>();
    Files.walkFileTree(
        ROOT,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) {
            String name = folder.getFileName().toString();
            boolean isLeftover = name.startsWith(".") || name.equals("target");
            return folder.equals(ROOT) || !isLeftover
                ? FileVisitResult.CONTINUE
                : FileVisitResult.SKIP_SUBTREE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            String name = file.getFileName().toString();
            if (Arrays.stream(endings).anyMatch(name::endsWith)) {
              found.add(file);
            }
            return FileVisitResult.CONTINUE;
          }
        });
    return found;
  }
}
