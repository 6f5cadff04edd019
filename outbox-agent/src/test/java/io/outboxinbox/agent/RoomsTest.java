package io.outboxinbox.agent;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Keeps every class in the room it belongs to: who may import whom of ours, and which library lives
 * where. A new room gets a line here; a new broker needs none.
 */
class RoomsTest {
  private static final String ROOT = "io.outboxinbox.agent";

  /** What each room may import of ours. Brokers are the folders below {@code publish}. */
  private static final Map<String, Set<String>> IMPORTS =
      Map.of(
          "event", Set.of(),
          "configure", Set.of(),
          "capture", Set.of("event"),
          "route", Set.of("event"),
          "publish", Set.of("event"),
          "acknowledge", Set.of("event"),
          "park", Set.of("event"),
          "pipeline", Set.of("event", "capture", "route", "publish", "acknowledge", "park"),
          "observe", Set.of("event", "pipeline"));

  private static final Set<String> BROKER_IMPORTS = Set.of("event", "publish");
  private static final String BROKERS = "publish.";

  /** Which rooms a library may enter. The longest prefix counts. */
  private static final List<Library> LIBRARIES =
      List.of(
          new Library("io.debezium.", Set.of("capture")),
          new Library("org.apache.kafka.connect.", Set.of("capture")),
          new Library("org.apache.kafka.", Set.of("publish.kafka")),
          // Part of Connect's interface to its tasks, though it lives in kafka-clients.
          new Library("org.apache.kafka.common.metrics.PluginMetrics", Set.of("capture")),
          new Library("org.postgresql.", Set.of("capture")),
          new Library("com.zaxxer.", Set.of("capture", "pipeline")),
          new Library("java.sql.", Set.of("capture", "park", "pipeline")),
          new Library("javax.sql.", Set.of("capture", "pipeline")),
          new Library("io.dropwizard.", Set.of("", "observe", "configure")),
          new Library("com.codahale.", Set.of("", "observe")),
          new Library("jakarta.servlet.", Set.of("", "observe")),
          new Library("org.eclipse.jetty.", Set.of("", "observe")),
          new Library("org.yaml.", Set.of("configure")),
          new Library("org.apache.commons.", Set.of("configure")));

  private static final JavaClasses classes =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages(ROOT);

  private record Library(String prefix, Set<String> rooms) {}

  @Test
  void roomsImportOnlyWhatTheyMay() {
    List<String> strays =
        dependencies()
            .filter(dependency -> dependency.getTargetClass().getPackageName().startsWith(ROOT))
            .flatMap(dependency -> strayImport(dependency).stream())
            .distinct()
            .sorted()
            .toList();
    assertThat(strays).as("imports across rooms").isEmpty();
  }

  @Test
  void librariesStayInTheirRooms() {
    List<String> strays =
        dependencies()
            .flatMap(dependency -> strayLibrary(dependency).stream())
            .distinct()
            .sorted()
            .toList();
    assertThat(strays).as("libraries outside their rooms").isEmpty();
  }

  @Test
  void onlyTheMainClassKnowsBrokers() {
    List<String> strays =
        dependencies()
            .filter(dependency -> roomOf(dependency.getTargetClass()).startsWith(BROKERS))
            .filter(dependency -> !roomOf(dependency.getOriginClass()).startsWith(BROKERS))
            .filter(dependency -> !outermost(dependency.getOriginClass()).equals("OutboxAgent"))
            .map(
                dependency ->
                    "%s uses %s: only OutboxAgent names brokers; go through PublishConfiguration or Publisher"
                        .formatted(
                            name(dependency.getOriginClass()), name(dependency.getTargetClass())))
            .distinct()
            .toList();
    assertThat(strays).isEmpty();
  }

  @Test
  void everyRoomSaysWhatItIsFor() throws IOException {
    try (Stream<Path> folders = Files.walk(Path.of("src/main/java/io/outboxinbox/agent"))) {
      List<Path> silent =
          folders
              .filter(Files::isDirectory)
              .filter(folder -> !Files.exists(folder.resolve("package-info.java")))
              .toList();
      assertThat(silent).as("rooms without package-info.java").isEmpty();
    }
  }

  @Test
  void everyRoomIsListed() {
    assertThat(classes.stream().map(RoomsTest::roomOf))
        .allSatisfy(
            room ->
                assertThat(room.isEmpty() || room.startsWith(BROKERS) || IMPORTS.containsKey(room))
                    .as("room '%s' is known; rooms are %s", room, IMPORTS.keySet())
                    .isTrue());
  }

  private Stream<Dependency> dependencies() {
    return classes.stream().flatMap(origin -> origin.getDirectDependenciesFromSelf().stream());
  }

  private static Optional<String> strayImport(Dependency dependency) {
    String from = roomOf(dependency.getOriginClass());
    String to = roomOf(dependency.getTargetClass());
    Set<String> allowed =
        from.startsWith(BROKERS) ? BROKER_IMPORTS : IMPORTS.getOrDefault(from, Set.of());
    if (from.isEmpty() || from.equals(to) || allowed.contains(to)) {
      return Optional.empty();
    }
    List<String> homes =
        IMPORTS.entrySet().stream()
            .filter(entry -> entry.getValue().contains(to))
            .map(Map.Entry::getKey)
            .sorted()
            .toList();
    return Optional.of(
        "%s uses %s: room %s imports only %s; classes that need %s belong into %s, shared words into event"
            .formatted(
                name(dependency.getOriginClass()),
                name(dependency.getTargetClass()),
                from,
                allowed,
                to,
                homes.isEmpty() ? "the root" : homes));
  }

  private static Optional<String> strayLibrary(Dependency dependency) {
    JavaClass origin = dependency.getOriginClass();
    String target = dependency.getTargetClass().getBaseComponentType().getName();
    // Blocks of the configuration carry the framework's annotations, wherever they live.
    boolean isConfiguration = outermost(origin).endsWith("Configuration");
    return LIBRARIES.stream()
        .filter(library -> target.startsWith(library.prefix()))
        .max(Comparator.comparingInt(library -> library.prefix().length()))
        .filter(library -> !library.rooms().contains(roomOf(origin)))
        .filter(library -> !(isConfiguration && library.prefix().equals("io.dropwizard.")))
        .map(
            library ->
                "%s uses %s: %s* lives in %s; move the class there or hide the library behind one of event's types"
                    .formatted(name(origin), target, library.prefix(), library.rooms()));
  }

  private static String roomOf(JavaClass javaClass) {
    String name = javaClass.getBaseComponentType().getPackageName();
    return name.startsWith(ROOT + ".") ? name.substring(ROOT.length() + 1) : "";
  }

  private static String outermost(JavaClass javaClass) {
    String name = javaClass.getName().substring(javaClass.getName().lastIndexOf('.') + 1);
    int nested = name.indexOf('$');
    return nested < 0 ? name : name.substring(0, nested);
  }

  private static String name(JavaClass javaClass) {
    return javaClass.getName().substring(ROOT.length() + 1);
  }
}
