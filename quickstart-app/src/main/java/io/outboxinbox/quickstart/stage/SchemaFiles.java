package io.outboxinbox.quickstart.stage;

import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;

/** The SQL files an application runs to get an outbox or an inbox, from the class path. */
final class SchemaFiles {
  private static final String FOLDER = "schema/postgresql";

  /** Files numbered from here on belong into the databases of consumers. */
  private static final String FIRST_OF_CONSUMERS = "10";

  private SchemaFiles() {}

  /** For a database that events come from: text by file name, in the order they are to be run. */
  static SortedMap<String, String> ofOutbox() throws Trouble {
    return read().headMap(FIRST_OF_CONSUMERS);
  }

  /** For a consumer's database, likewise. */
  static SortedMap<String, String> ofInbox() throws Trouble {
    return read().tailMap(FIRST_OF_CONSUMERS);
  }

  private static SortedMap<String, String> read() throws Trouble {
    URL folder = SchemaFiles.class.getClassLoader().getResource(FOLDER);
    if (folder == null) {
      throw new Trouble("there is no " + FOLDER + " on the class path; build again");
    }
    try {
      URI uri = folder.toURI();
      if (!"jar".equals(uri.getScheme())) {
        return readAll(Path.of(uri));
      }
      try (FileSystem jar = FileSystems.newFileSystem(uri, Map.of())) {
        return readAll(jar.getPath(FOLDER));
      }
    } catch (IOException | URISyntaxException e) {
      throw new Trouble("cannot read " + folder + ": " + e.getMessage(), e);
    }
  }

  private static SortedMap<String, String> readAll(Path folder) throws IOException {
    List<Path> files;
    try (Stream<Path> listed = Files.list(folder)) {
      files = listed.filter(file -> file.toString().endsWith(".sql")).toList();
    }
    SortedMap<String, String> texts = new TreeMap<>();
    for (Path file : files) {
      texts.put(file.getFileName().toString(), Files.readString(file));
    }
    return texts;
  }
}
