package io.outboxinbox.agent.operate.command;

import io.dropwizard.core.cli.Cli;
import io.dropwizard.core.cli.Command;
import io.dropwizard.core.setup.Bootstrap;
import io.outboxinbox.agent.source.Identifiers;
import java.io.IOException;
import java.io.PrintStream;
import java.util.Map;
import net.sourceforge.argparse4j.inf.ArgumentParser;
import net.sourceforge.argparse4j.inf.ArgumentParserException;
import net.sourceforge.argparse4j.inf.Namespace;
import net.sourceforge.argparse4j.inf.Subparser;
import org.jspecify.annotations.Nullable;

/**
 * {@code schema}: prints the SQL that makes the outbox, or the inbox of a consumer, ready for
 * {@code psql} or a migration.
 */
public final class SchemaCommand extends Command {
  private static final String ONLY = "only";
  private static final String CONSUMER = "consumer";
  private static final String SCHEMA_NAME = "schema_name";

  /** Files numbered from 10 on belong into the databases of consumers. */
  private static final String OF_CONSUMERS = "[1-9][0-9]_.*";

  private final PrintStream out;
  private @Nullable ArgumentParser parser;

  public SchemaCommand(PrintStream out) {
    super("schema", "prints the SQL to run in the source database, or in a consumer's");
    this.out = out;
  }

  @Override
  public void configure(Subparser subparser) {
    parser = subparser;
    subparser.help(getDescription());
    new Options(subparser)
        .value(
            "--" + ONLY, "NUMBER", "print one file, by the number its name begins with, such as 03")
        .flag(
            "--" + CONSUMER,
            "print the inbox tables instead, which inbox-lib needs in a consumer's database")
        .value(
            "--schema-name",
            "NAME",
            "create everything in this schema; default: the first of the session's search_path");
    subparser.epilog("example: java -jar outbox-agent.jar schema | psql -v ON_ERROR_STOP=1 shop");
  }

  @Override
  public void run(Bootstrap<?> bootstrap, Namespace namespace)
      throws IOException, ArgumentParserException {
    @Nullable String schemaName = namespace.getString(SCHEMA_NAME);
    if (schemaName != null && !Identifiers.isSchemaName(schemaName)) {
      throw wrong(
          "--schema-name must be 1 to 63 bytes without quotes, dots and control characters");
    }
    @Nullable String only = namespace.getString(ONLY);
    Map<String, String> files = SchemaFiles.read();
    boolean isForConsumer = Boolean.TRUE.equals(namespace.getBoolean(CONSUMER));
    files
        .keySet()
        .removeIf(
            name ->
                only == null
                    ? name.matches(OF_CONSUMERS) != isForConsumer
                    : !name.startsWith(only + "_"));
    if (files.isEmpty()) {
      throw wrong(
          "no file begins with %s; there are %s"
              .formatted(only, String.join(", ", SchemaFiles.read().keySet())));
    }
    if (schemaName != null) {
      out.printf(
          "CREATE SCHEMA IF NOT EXISTS %s;%nSET search_path = %1$s;%n%n",
          Identifiers.quoted(schemaName));
    }
    files.forEach(
        (name, sql) -> out.printf("-- ==== %s ====%n%n%s%n", name, sql.stripTrailing() + "\n"));
    out.flush();
  }

  private ArgumentParserException wrong(String message) {
    return new ArgumentParserException(message, parser);
  }

  @Override
  public void onError(Cli cli, Namespace namespace, Throwable failure) {
    ExitCode.explain(failure, cli.getStdErr());
  }
}
