package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.dependencies.SlicesRuleDefinition;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Keeps every class and every library in its room, and the list of what is promised to users short.
 * A new room or a new public type gets a line here.
 */
class RoomsTest {
  private static final String ROOT = "io.outboxinbox.inbox";

  /** What each room may import: of ours, and of others. The root's name is empty. */
  private static final Map<String, Set<String>> LIBRARIES =
      Map.of(
          "", Set.of("java.", "javax.sql.", "org.slf4j.", "com.github.benmanes.caffeine."),
          "kafka", Set.of("java.", "javax.sql.", "org.slf4j.", "org.apache.kafka."),
          "micrometer", Set.of("java.", "io.micrometer."));

  private static final Map<String, Set<String>> ROOMS =
      Map.of("", Set.of(), "kafka", Set.of(""), "micrometer", Set.of("kafka"));

  /** Public means promised. Types inside others are not listed. */
  private static final Map<String, List<String>> PUBLIC_TYPES =
      Map.of(
          "",
          List.of(
              "Arrival",
              "BatchHandler",
              "Cleaning",
              "DeadLetter",
              "DeadLetterFilter",
              "DeadLetterGrowth",
              "DeadLetters",
              "Envelope",
              "Failure",
              "Finding",
              "HandlerConnection",
              "Inbox",
              "InboxException",
              "InboxMode",
              "InboxOffsets",
              "InboxRetention",
              "Message",
              "MessageHandler",
              "MessageHeaders",
              "MessageId",
              "Origin",
              "Outbox",
              "OutboxMessage",
              "Outcome",
              "RetryAdvice",
              "RetryOutcome",
              "RetrySummary",
              "TransactionEndedException",
              "Transactions"),
          "kafka",
          List.of(
              "ConsumerListener",
              "ConsumerState",
              "FailurePolicy",
              "InboxConsumer",
              "InboxConsumerBuilder",
              "KafkaMessages",
              "RetryPolicy"),
          "micrometer",
          List.of("MicrometerListener"));

  private static final JavaClasses classes =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages(ROOT);

  @Test
  void roomsImportOnlyWhatTheyMay() {
    Set<String> strays = new TreeSet<>();
    for (JavaClass origin : classes) {
      for (Dependency dependency : origin.getDirectDependenciesFromSelf()) {
        JavaClass target = dependency.getTargetClass().getBaseComponentType();
        if (!target.isPrimitive() && !mayImport(roomOf(origin), target)) {
          strays.add(
              origin.getName() + " uses " + target.getName() + ": move it to a room that may");
        }
      }
    }
    assertThat(strays).isEmpty();
  }

  private static boolean mayImport(String room, JavaClass target) {
    String name = target.getName();
    if (name.startsWith(ROOT + ".")) {
      return room.equals(roomOf(target)) || ROOMS.get(room).contains(roomOf(target));
    }
    // Annotations of the compiler's checks have no effect at run time.
    return name.startsWith("org.jspecify.")
        || LIBRARIES.get(room).stream().anyMatch(name::startsWith);
  }

  @Test
  void roomsHaveNoCycles() {
    SlicesRuleDefinition.slices().matching(ROOT + ".(**)").should().beFreeOfCycles().check(classes);
  }

  @Test
  void publicTypesAreThoseThatArePromised() {
    Map<String, List<String>> found =
        classes.stream()
            .filter(type -> type.getModifiers().contains(JavaModifier.PUBLIC))
            .filter(type -> !type.getName().contains("$"))
            .collect(
                Collectors.groupingBy(
                    RoomsTest::roomOf,
                    Collectors.collectingAndThen(
                        Collectors.toList(),
                        types -> types.stream().map(JavaClass::getSimpleName).sorted().toList())));
    assertThat(found).isEqualTo(PUBLIC_TYPES);
  }

  @Test
  void everyRoomIsListedAndSaysWhatItIsFor() throws IOException {
    assertThat(classes.stream().map(RoomsTest::roomOf)).isSubsetOf(ROOMS.keySet());
    try (Stream<Path> folders = Files.walk(Path.of("src/main/java/io/outboxinbox/inbox"))) {
      assertThat(
              folders
                  .filter(Files::isDirectory)
                  .filter(folder -> !Files.exists(folder.resolve("package-info.java"))))
          .as("rooms without package-info.java")
          .isEmpty();
    }
  }

  private static String roomOf(JavaClass type) {
    String name = type.getBaseComponentType().getPackageName();
    return name.startsWith(ROOT + ".") ? name.substring(ROOT.length() + 1) : "";
  }
}
