package io.outboxinbox.agent.observe;

import org.jspecify.annotations.Nullable;

/**
 * Which agent this is.
 *
 * @param version as the jar says, or {@code unknown} where the classes are in none
 * @param host name of the machine or container
 * @param pid of this process on that host
 */
public record RunningAgent(String version, String host, long pid) {
  private static final String UNKNOWN = "unknown";

  /**
   * This process.
   *
   * @param main a class of the jar that was started
   */
  public static RunningAgent of(Class<?> main, String host) {
    @Nullable String version = main.getPackage().getImplementationVersion();
    return new RunningAgent(
        version == null ? UNKNOWN : version, host, ProcessHandle.current().pid());
  }

  /** Names this process to operators and to other agents of the same source. */
  public String name() {
    return host + "/" + pid;
  }
}
