package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;

/**
 * What comes with the library when Kafka and Micrometer are left out. Follows the poms, which Maven
 * keeps beside the jars, from ours on.
 */
class RuntimeClassPathTest {
  private static final long BYTES_MAX = 2_000_000;
  private static final Path POM = Path.of("pom.xml");

  private final List<Path> classPath =
      Arrays.stream(
              System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"))
                  .split(File.pathSeparator))
          .map(Path::of)
          .toList();

  @Test
  void needsFewLibrariesAndLessThanTwoMegabytes() throws Exception {
    Map<String, Path> jars = new TreeMap<>();
    follow(POM, jars);
    follow(Path.of("..", "pom.xml"), jars);
    assertThat(jars.keySet())
        .containsExactlyInAnyOrder("caffeine", "error_prone_annotations", "jspecify", "slf4j-api");
    long bytes = ownBytes();
    for (Path jar : jars.values()) {
      bytes += Files.size(jar);
    }
    System.out.printf("runtime class path: %,d bytes, %,d of them ours%n", bytes, ownBytes());
    assertThat(bytes).isLessThan(BYTES_MAX);
  }

  /** More than the jar will have: these are not compressed. */
  private static long ownBytes() throws IOException {
    try (Stream<Path> files = Files.walk(Path.of("target", "classes"))) {
      return files.filter(Files::isRegularFile).mapToLong(file -> file.toFile().length()).sum();
    }
  }

  private void follow(Path pom, Map<String, Path> jars) throws Exception {
    for (String artifact : runtimeDependencies(pom)) {
      if (!jars.containsKey(artifact)) {
        Path jar = jarOf(artifact);
        jars.put(artifact, jar);
        String name = jar.getFileName().toString();
        follow(jar.resolveSibling(name.substring(0, name.length() - 4) + ".pom"), jars);
      }
    }
  }

  private Path jarOf(String artifact) {
    return classPath.stream()
        .filter(path -> path.getFileName().toString().matches(artifact + "-\\d.*\\.jar"))
        .findFirst()
        .orElseThrow(() -> new AssertionError(artifact + " is not on the class path"));
  }

  private static List<String> runtimeDependencies(Path pom) throws Exception {
    Document document =
        DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(pom.toFile());
    List<String> artifacts = new ArrayList<>();
    for (Element block : children(document.getDocumentElement(), "dependencies")) {
      for (Element dependency : children(block, "dependency")) {
        String scope = text(dependency, "scope", "compile");
        boolean isOptional = text(dependency, "optional", "false").equals("true");
        if (!isOptional && (scope.equals("compile") || scope.equals("runtime"))) {
          artifacts.add(text(dependency, "artifactId", "?"));
        }
      }
    }
    return artifacts;
  }

  private static String text(Element parent, String name, String missing) {
    List<Element> found = children(parent, name);
    return found.isEmpty() ? missing : found.get(0).getTextContent().strip();
  }

  private static List<Element> children(Element parent, String name) {
    List<Element> found = new ArrayList<>();
    for (Node node = parent.getFirstChild(); node != null; node = node.getNextSibling()) {
      if (node instanceof Element element && element.getTagName().equals(name)) {
        found.add(element);
      }
    }
    return found;
  }
}
