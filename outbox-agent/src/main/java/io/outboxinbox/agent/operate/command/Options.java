package io.outboxinbox.agent.operate.command;

import net.sourceforge.argparse4j.impl.Arguments;
import net.sourceforge.argparse4j.inf.Subparser;

/** Declares what a command takes, an option a line. */
record Options(Subparser command) {
  /** One without a value. */
  Options flag(String name, String help) {
    command.addArgument(name).action(Arguments.storeTrue()).help(help);
    return this;
  }

  Options value(String name, String metavar, String help) {
    command.addArgument(name).metavar(metavar).help(help);
    return this;
  }

  /** One that stands for {@code otherwise}, and has its type, where nobody gives it. */
  Options value(String name, String metavar, Object otherwise, String help) {
    command
        .addArgument(name)
        .metavar(metavar)
        .type(otherwise.getClass())
        .setDefault(otherwise)
        .help(help);
    return this;
  }

  Options required(String name, String metavar, String help) {
    command.addArgument(name).metavar(metavar).required(true).help(help);
    return this;
  }

  /** One that may be given several times. */
  Options values(String name, String metavar, String help) {
    command.addArgument(name).metavar(metavar).action(Arguments.append()).help(help);
    return this;
  }

  Options pipeline() {
    return value(
        "--pipeline",
        "NAME",
        "name of the pipeline; not needed where the configuration has one only");
  }
}
