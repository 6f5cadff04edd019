package io.outboxinbox.inbox;

import io.outboxinbox.testkit.MariaDbExtension;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;

/** The two drivers, with settings between which they differ most. */
enum MySqlDriver {
  /** As it comes: counts found rows, puts parameters into the text. */
  MARIADB("jdbc:mariadb", ""),
  /** Counts changed rows, prepares on the server. */
  CONNECTOR_J("jdbc:mysql", "?useAffectedRows=true&useServerPrepStmts=true");

  private final String scheme;
  private final String settings;

  MySqlDriver(String scheme, String settings) {
    this.scheme = scheme;
    this.settings = settings;
  }

  Connection connect(MariaDbExtension server, String database) throws SQLException {
    return DriverManager.getConnection(
        scheme + "://127.0.0.1:" + server.port() + "/" + database + settings,
        server.user(),
        server.password());
  }
}
