package io.outboxinbox.agent.configure;

import io.dropwizard.configuration.ConfigurationException;
import java.util.List;

/** Everything wrong with a configuration; the message is ready to be shown to the operator. */
public final class ConfigurationFaults extends ConfigurationException {

  ConfigurationFaults(String file, List<String> faults) {
    super(file, faults);
  }
}
