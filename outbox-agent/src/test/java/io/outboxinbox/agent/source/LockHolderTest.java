package io.outboxinbox.agent.source;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * A log shows a message in one line, in which a remark that ends with the line would hide the rest.
 */
class LockHolderTest {
  @Test
  void endsAllOfThemInOneLine() {
    String ends = LockHolder.ends(List.of(session(7), prepared("it's"), session(8)));
    assertThat(ends)
        .endsWith(
            "SELECT pg_terminate_backend(7); ROLLBACK PREPARED 'it''s'; SELECT pg_terminate_backend(8);")
        .doesNotContain("\n", "--");
  }

  /** Whoever prepares a transaction names it. */
  @Test
  void endsAndNamesInOneLineWhateverTheNameIs() {
    LockHolder odd = prepared("a\nb\\c*/");
    assertThat(LockHolder.ends(List.of(odd))).endsWith("ROLLBACK PREPARED E'a\\012b\\\\c*/';");
    assertThat(LockHolder.names(List.of(odd))).doesNotContain("\n");
  }

  /** To end it would end what it does, and it lets go by itself. */
  @Test
  void waitsForAnAgentsOwnSessionInsteadOfEndingIt() {
    assertThat(LockHolder.ends(List.of(agent("outbox-agent change"))))
        .isEqualTo(
            "wait for process 9 (role agent, application 'outbox-agent change'), an agent's own");
    assertThat(LockHolder.ends(List.of(agent("outbox-agent change"), session(7))))
        .startsWith("wait for process 9 ")
        .endsWith("SELECT pg_terminate_backend(7);")
        .doesNotContain("(9);");
    assertThat(LockHolder.ends(List.of(agent("psql"))))
        .as("by hand, though under the agent's name")
        .endsWith("SELECT pg_terminate_backend(9);");
  }

  private static LockHolder agent(String application) {
    return new LockHolder(9, "agent", application, null, null, true, false);
  }

  private static LockHolder session(int pid) {
    return new LockHolder(pid, "writer", "report", null, null, false, false);
  }

  private static LockHolder prepared(String name) {
    return new LockHolder(0, "writer", "", null, name, false, false);
  }
}
