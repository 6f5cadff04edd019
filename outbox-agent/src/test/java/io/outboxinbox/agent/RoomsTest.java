package io.outboxinbox.agent;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.dependencies.SlicesRuleDefinition;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Keeps every class in the room it belongs to: who may import whom of ours, and which library lives
 * where. A new room gets a line here; a new broker needs none.
 */
class RoomsTest {
  private static final String ROOT = "io.outboxinbox.agent";
  private static final Path SOURCES = Path.of("src/main/java/io/outboxinbox/agent");

  /** More files than this nobody keeps in mind. */
  private static final int FILES_MAX = 25;

  /**
   * What each room may import of ours. Brokers are the folders below {@code publish}. From top to
   * bottom: no room imports one that stands below it, so there are no circles.
   */
  private static final Map<String, Set<String>> IMPORTS =
      Map.ofEntries(
          room("event"),
          room("source", "event"),
          room("source.outbox", "event", "source"),
          room("source.table", "event", "source", "source.outbox"),
          room("source.slot", "event", "source", "source.outbox", "source.table"),
          room("source.inspect", "event", "source", "source.outbox", "source.table", "source.slot"),
          room("source.log", "event", "source", "source.table"),
          room("route", "event"),
          room("publish", "event"),
          room("configure", "event", "source", "route", "publish"),
          room("park", "event", "source", "source.table"),
          room(
              "stream",
              "event",
              "configure",
              "source",
              "source.outbox",
              "source.table",
              "route",
              "publish",
              "park"),
          room(
              "watch",
              "event",
              "configure",
              "source",
              "source.outbox",
              "source.table",
              "source.slot",
              "source.inspect",
              "source.log"),
          room(
              "lead",
              "event",
              "configure",
              "source",
              "source.table",
              "source.slot",
              "source.inspect",
              "source.log",
              "publish",
              "watch"),
          room(
              "reconcile",
              "event",
              "configure",
              "source",
              "source.outbox",
              "source.table",
              "source.slot",
              "route",
              "publish",
              "park",
              "lead"),
          room(
              "replay",
              "event",
              "configure",
              "source",
              "source.outbox",
              "source.table",
              "source.slot",
              "route",
              "publish"),
          room(
              "pipeline",
              "event",
              "configure",
              "source",
              "source.outbox",
              "source.table",
              "source.slot",
              "source.inspect",
              "source.log",
              "route",
              "publish",
              "park",
              "stream",
              "watch",
              "lead",
              "reconcile"),
          room(
              "operate",
              "event",
              "configure",
              "source",
              "source.outbox",
              "source.table",
              "source.slot",
              "source.inspect",
              "publish",
              "lead",
              "reconcile"),
          room(
              "operate.command",
              "event",
              "configure",
              "source",
              "source.outbox",
              "source.table",
              "route",
              "operate",
              "replay"),
          room("observe", "event", "watch", "pipeline", "operate"));

  private static Map.Entry<String, Set<String>> room(String name, String... imports) {
    return Map.entry(name, Set.of(imports));
  }

  private static final Set<String> BROKER_IMPORTS = Set.of("event", "publish");
  private static final String BROKERS = "publish.";

  /** Where statements are: the tables, what operators ask for, and what a leader's session does. */
  private static final Set<String> SQL =
      Set.of(
          "source",
          "source.inspect",
          "source.log",
          "source.outbox",
          "source.slot",
          "source.table",
          "operate",
          "lead");

  /** Who opens connections to the source database, or hands them on. */
  private static final Set<String> CONNECTIONS =
      with(SQL, "watch", "park", "reconcile", "replay", "pipeline");

  /** Which rooms a library may enter. The longest prefix counts. */
  private static final List<Library> LIBRARIES =
      List.of(
          new Library("io.debezium.", Set.of("source.log")),
          new Library("org.apache.kafka.connect.", Set.of("source.log")),
          new Library("org.apache.kafka.", Set.of("publish.kafka")),
          // Part of Connect's interface to its tasks, though it lives in kafka-clients.
          new Library("org.apache.kafka.common.metrics.PluginMetrics", Set.of("source.log")),
          new Library("org.postgresql.", Set.of("source")),
          new Library("java.sql.", SQL),
          new Library("java.sql.Connection", CONNECTIONS),
          // Nothing but the failure: what is published is asked of ports.
          new Library("java.sql.SQLException", with(CONNECTIONS, "stream")),
          new Library("javax.sql.", Set.of("source")),
          new Library("net.sourceforge.argparse4j.", Set.of("operate.command")),
          new Library("io.dropwizard.", Set.of("", "observe", "configure", "operate.command")),
          new Library("com.codahale.", Set.of("", "observe")),
          new Library("jakarta.servlet.", Set.of("", "observe")),
          new Library("org.eclipse.jetty.", Set.of("", "observe")),
          new Library("org.yaml.", Set.of("configure")),
          new Library("org.apache.commons.", Set.of("configure")),
          new Library("org.apache.commons.text.similarity.", Set.of("event")),
          new Library("io.micrometer.", Set.of("observe")),
          new Library("io.prometheus.", Set.of("observe")));

  private static Set<String> with(Set<String> rooms, String... more) {
    Set<String> all = new TreeSet<>(rooms);
    all.addAll(List.of(more));
    return all;
  }

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
  void roomsHaveNoCycles() {
    SlicesRuleDefinition.slices().matching(ROOT + ".(**)").should().beFreeOfCycles().check(classes);
  }

  /** The records of whole pipelines are beside it only because every room reads them. */
  @Test
  void whatReadsYamlKnowsNoBlockByName() {
    List<String> strays =
        dependencies()
            .filter(dependency -> roomOf(dependency.getOriginClass()).equals("configure"))
            .filter(dependency -> !isBlock(dependency.getOriginClass()))
            .filter(dependency -> dependency.getTargetClass().getPackageName().startsWith(ROOT))
            .filter(dependency -> !roomOf(dependency.getTargetClass()).equals("event"))
            .filter(
                dependency ->
                    !roomOf(dependency.getTargetClass()).equals("configure")
                        || isBlock(dependency.getTargetClass()))
            .map(
                dependency ->
                    "%s uses %s: ask by the type that is being bound"
                        .formatted(
                            name(dependency.getOriginClass()), name(dependency.getTargetClass())))
            .distinct()
            .toList();
    assertThat(strays).isEmpty();
  }

  /** One table is named in one of two ways; whoever asked for one way would miss the other. */
  @Test
  void allAskForTheTablesAndNobodyForTheOne() {
    Set<String> shortForm = Set.of("table", "layout", "columns", "extraColumns", "existingRows");
    List<String> strays =
        classes.stream()
            .filter(origin -> !outermost(origin).equals("SourceConfiguration"))
            .flatMap(origin -> origin.getMethodCallsFromSelf().stream())
            .filter(call -> outermost(call.getTargetOwner()).equals("SourceConfiguration"))
            .filter(call -> call.getTargetOwner().getSimpleName().equals("SourceConfiguration"))
            .filter(call -> shortForm.contains(call.getName()))
            .map(call -> call.getDescription() + ": ask outboxes()")
            .toList();
    assertThat(strays).isEmpty();
  }

  @Test
  void noRoomIsTooLargeToKnow() throws IOException {
    try (Stream<Path> folders = Files.walk(SOURCES)) {
      for (Path folder : folders.filter(Files::isDirectory).toList()) {
        try (Stream<Path> files = Files.list(folder)) {
          assertThat(files.filter(file -> file.toString().endsWith(".java")))
              .as("files in %s", folder)
              .hasSizeLessThanOrEqualTo(FILES_MAX);
        }
      }
    }
  }

  @Test
  void everyRoomSaysWhatItIsFor() throws IOException {
    try (Stream<Path> folders = Files.walk(SOURCES)) {
      List<Path> silent =
          folders
              .filter(Files::isDirectory)
              .filter(folder -> !Files.exists(folder.resolve("package-info.java")))
              .toList();
      assertThat(silent).as("rooms without package-info.java").isEmpty();
    }
  }

  @Test
  void everyRoomIsOnThePageThatSaysWhereThingsAre() throws IOException {
    String page = Files.readString(Path.of("../docs/ARCHITECTURE.md"));
    assertThat(IMPORTS.keySet())
        .allSatisfy(room -> assertThat(page).contains("`" + room.replace('.', '/') + "`"));
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
    boolean isConfiguration = isBlock(origin);
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

  private static boolean isBlock(JavaClass javaClass) {
    return outermost(javaClass).endsWith("Configuration");
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
