package io.outboxinbox.agent.configure;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.apache.commons.text.StringSubstitutor;
import org.jspecify.annotations.Nullable;

/**
 * Puts the environment into values. A name in {@code ${}} stands for an environment variable,
 * {@code NAME:-text} in it for one with a default, and {@code file:/path} for the content of a
 * mounted secret; a second dollar sign in front keeps the text as it is.
 */
final class Variables {
  private static final String FILE = "file:";

  private final UnaryOperator<@Nullable String> environment;

  Variables(UnaryOperator<@Nullable String> environment) {
    this.environment = environment;
  }

  /**
   * Replaces every variable.
   *
   * @param onProblem told which variable has no value
   * @return null when a variable has no value, or all of them together are empty, which counts as
   *     an absent key
   */
  @Nullable String replaceIn(String text, Consumer<String> onProblem) {
    if (!text.contains("${")) {
      return text;
    }
    Lookup lookup = new Lookup();
    try {
      String replaced = lookup.replace(text);
      return replaced.isEmpty() ? null : replaced;
    } catch (IllegalArgumentException e) {
      onProblem.accept(problem(lookup.last));
      return null;
    }
  }

  private static String problem(String name) {
    if (name.startsWith(FILE)) {
      return "${%s} cannot be read or is empty; check the path and its permissions".formatted(name);
    }
    return "${%s} is not set in the environment; set it or write ${%s:-default}"
        .formatted(name, name);
  }

  private @Nullable String lookUp(String name) {
    return name.startsWith(FILE)
        ? contentOf(name.substring(FILE.length()))
        : environment.apply(name);
  }

  private static @Nullable String contentOf(String file) {
    try {
      String content = Files.readString(Path.of(file)).stripTrailing();
      return content.isEmpty() ? null : content;
    } catch (IOException | IllegalArgumentException e) {
      return null;
    }
  }

  /** Remembers the name looked up last, which is the one that failed. */
  private final class Lookup extends StringSubstitutor {
    private String last = "";

    Lookup() {
      setEnableUndefinedVariableException(true);
      setPreserveEscapes(false);
      // A value is data: what looks like a variable inside a password stays as it is.
      setDisableSubstitutionInValues(true);
    }

    @Override
    protected @Nullable String resolveVariable(
        String name, org.apache.commons.text.TextStringBuilder buffer, int from, int to) {
      last = name;
      return lookUp(name);
    }
  }
}
