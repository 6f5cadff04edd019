package io.outboxinbox.inbox;

import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The schema the inbox's tables are in, fit to be put before a table's name. */
record SchemaName(@Nullable String name) {
  private static final Pattern IDENTIFIER = Pattern.compile("[A-Za-z_][A-Za-z0-9_$]{0,62}");

  /** What the connection's search path says. */
  static final SchemaName CURRENT = new SchemaName(null);

  SchemaName {
    if (name != null && !isPlain(name)) {
      throw new InboxException.Misconfigured(
          "schema '" + name + "' is not a plain name",
          "use 1 to 63 letters, digits, _ and $, beginning with a letter or _");
    }
  }

  static boolean isPlain(String name) {
    return IDENTIFIER.matcher(name).matches();
  }

  /** PostgreSQL folds unquoted names to small letters, MySQL keeps them; quoting differs too. */
  String table(String table) {
    return name == null ? table : name + "." + table;
  }
}
