package io.outboxinbox.agent.operate.command;

import io.dropwizard.configuration.ConfigurationException;
import io.outboxinbox.agent.event.AgentException;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.BindException;
import java.util.stream.Collectors;
import net.sourceforge.argparse4j.inf.ArgumentParserException;

/** How a command ends, for scripts. */
public enum ExitCode {
  /** All is well. */
  OK(0),
  /** A check found what has to be mended. */
  FINDINGS(1),
  /** Arguments or configuration are wrong; nothing was started. */
  CONFIGURATION(2),
  /** Something else failed, such as a port in use. */
  FAILURE(3);

  static final String HELP =
      "exit codes: 0 all is well, 1 findings to mend, 2 arguments or configuration wrong, 3 other failure";

  private static final String FREE_PORT =
      "; fix: end what listens there, or set server.connector.port and bindHost";

  private final int number;

  ExitCode(int number) {
    this.number = number;
  }

  public int number() {
    return number;
  }

  public static ExitCode of(Throwable failure) {
    if (failure instanceof FindingsException) {
      return FINDINGS;
    }
    return failure instanceof ConfigurationException || failure instanceof ArgumentParserException
        ? CONFIGURATION
        : FAILURE;
  }

  /** Tells the operator: a message for what was foreseen, a trace for what was not. */
  static void explain(Throwable failure, PrintWriter err) {
    switch (of(failure)) {
      case OK, FINDINGS -> {
        // The check has said it all.
      }
      case CONFIGURATION -> err.println(failure.getMessage());
      case FAILURE -> explainFailure(failure, err);
    }
    err.flush();
  }

  private static void explainFailure(Throwable failure, PrintWriter err) {
    for (Throwable at = failure; at != null; at = at.getCause()) {
      if (at instanceof AgentException) {
        // It says it all, and a cause of its own may quote a row.
        err.println("outbox-agent: " + at.getMessage());
        return;
      }
      if (at instanceof IOException) {
        err.println("outbox-agent: " + reasons(at) + (isPortTaken(at) ? FREE_PORT : ""));
        return;
      }
    }
    failure.printStackTrace(err);
  }

  private static boolean isPortTaken(Throwable failure) {
    return AgentException.causes(failure).anyMatch(BindException.class::isInstance);
  }

  private static String reasons(Throwable failure) {
    return AgentException.causes(failure)
        .map(Throwable::getMessage)
        .map(String::valueOf)
        .collect(Collectors.joining(": "));
  }

  /** A check has found something and printed it. */
  static final class FindingsException extends Exception {
    FindingsException(String summary) {
      super(summary);
    }
  }
}
