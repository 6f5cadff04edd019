package io.outboxinbox.agent.configure;

import java.util.regex.Pattern;

/** Tells from its name whether a key's value may be shown. */
final class SecretKeys {
  /** Also Kafka's own: sasl.jaas.config, ssl.keystore.key, ssl.key.password. */
  private static final Pattern SECRET =
      Pattern.compile(
          "password|passwd|secret|token|credential|jaas|private|keystore\\.key",
          Pattern.CASE_INSENSITIVE);

  private SecretKeys() {}

  static boolean isSecret(String path) {
    return SECRET.matcher(path).find();
  }
}
