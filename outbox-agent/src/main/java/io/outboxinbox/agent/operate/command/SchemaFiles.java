package io.outboxinbox.agent.operate.command;

import java.io.IOException;
import java.io.InputStream;
import java.net.JarURLConnection;
import java.net.URL;
import java.net.URLConnection;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.jar.JarEntry;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The SQL files on the class path, in the order they are to be run. */
final class SchemaFiles {
  private static final String FOLDER = "schema/postgresql/";

  private SchemaFiles() {}

  /** Text by file name, sorted; may be changed by the caller. */
  static SortedMap<String, String> read() throws IOException {
    SortedMap<String, String> files = new TreeMap<>();
    ClassLoader loader = SchemaFiles.class.getClassLoader();
    for (String name : names(loader)) {
      try (@Nullable InputStream in = loader.getResourceAsStream(FOLDER + name)) {
        if (in != null) {
          files.put(name, new String(in.readAllBytes(), StandardCharsets.UTF_8));
        }
      }
    }
    return files;
  }

  private static List<String> names(ClassLoader loader) throws IOException {
    @Nullable URL folder = loader.getResource(FOLDER);
    if (folder == null) {
      return List.of();
    }
    URLConnection connection = folder.openConnection();
    if (connection instanceof JarURLConnection jar) {
      return jar.getJarFile().stream()
          .map(JarEntry::getName)
          .filter(name -> name.startsWith(FOLDER) && name.endsWith(".sql"))
          .map(name -> name.substring(FOLDER.length()))
          .toList();
    }
    try (Stream<Path> listed = Files.list(Path.of(folder.getPath()))) {
      return listed
          .map(path -> path.getFileName().toString())
          .filter(name -> name.endsWith(".sql"))
          .toList();
    }
  }
}
