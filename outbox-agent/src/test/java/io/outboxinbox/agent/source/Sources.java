package io.outboxinbox.agent.source;

import io.outboxinbox.agent.source.SourceConfiguration.Column;
import io.outboxinbox.agent.source.SourceConfiguration.ExistingRows;
import io.outboxinbox.agent.source.SourceConfiguration.Layout;
import io.outboxinbox.agent.source.SourceConfiguration.OnGap;
import io.outboxinbox.agent.source.SourceConfiguration.SslMode;
import io.outboxinbox.testkit.PostgresDatabase;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Source blocks for tests. */
public final class Sources {
  private Sources() {}

  /** The standard table; nothing is connected. */
  public static SourceConfiguration standard() {
    return new SourceConfiguration(
        "localhost",
        1,
        "db",
        "nobody",
        "x",
        null,
        SslMode.DISABLE,
        null,
        "public",
        "outbox_event",
        "outbox_publication",
        "outbox_agent",
        Layout.STANDARD,
        Map.of(),
        List.of(),
        null,
        ExistingRows.PUBLISH,
        OnGap.STOP,
        true,
        64L << 20);
  }

  /** The same source behind another port of this machine. */
  public static SourceConfiguration behind(SourceConfiguration source, int port) {
    return new SourceConfiguration(
        source.host(),
        port,
        source.database(),
        source.username(),
        source.password(),
        source.passwordFile(),
        source.sslMode(),
        source.sslRootCert(),
        source.schema(),
        source.table(),
        source.publication(),
        source.slot(),
        source.layout(),
        source.columns(),
        source.extraColumns(),
        source.tables(),
        source.existingRows(),
        source.onGap(),
        source.failoverSlot(),
        source.maxQueueBytes());
  }

  /** The same source, reached this way. */
  public static SourceConfiguration withSsl(
      SourceConfiguration source, SslMode mode, Path authority) {
    return new SourceConfiguration(
        source.host(),
        source.port(),
        source.database(),
        source.username(),
        source.password(),
        source.passwordFile(),
        mode,
        authority,
        source.schema(),
        source.table(),
        source.publication(),
        source.slot(),
        source.layout(),
        source.columns(),
        source.extraColumns(),
        source.tables(),
        source.existingRows(),
        source.onGap(),
        source.failoverSlot(),
        source.maxQueueBytes());
  }

  /** The same source with these tables. */
  public static SourceConfiguration withTables(
      SourceConfiguration source, TableConfiguration... tables) {
    return new SourceConfiguration(
        source.host(),
        source.port(),
        source.database(),
        source.username(),
        source.password(),
        source.passwordFile(),
        source.sslMode(),
        source.sslRootCert(),
        source.schema(),
        null,
        source.publication(),
        source.slot(),
        null,
        null,
        null,
        List.of(tables),
        source.existingRows(),
        source.onGap(),
        source.failoverSlot(),
        source.maxQueueBytes());
  }

  /** A table of the standard layout, with all else as the pipeline says. */
  public static TableConfiguration table(String name) {
    return table(name, Layout.STANDARD, Map.of(), List.of());
  }

  /** A table with all else as the pipeline says. */
  public static TableConfiguration table(
      String name, Layout layout, Map<Column, String> columns, List<String> extraColumns) {
    return new TableConfiguration(name, layout, columns, extraColumns, null, null, null, null);
  }

  /** A table of a real database, read as the database's owner. */
  public static SourceConfiguration of(
      PostgresDatabase database,
      String table,
      Layout layout,
      Map<Column, String> columns,
      List<String> headerColumns) {
    return new SourceConfiguration(
        database.host(),
        database.port(),
        database.name(),
        database.user(),
        database.password(),
        null,
        SslMode.DISABLE,
        null,
        "public",
        table,
        "outbox_publication",
        // Slots belong to the whole server, and tests share one.
        "slot_" + database.name(),
        layout,
        columns,
        headerColumns,
        null,
        ExistingRows.PUBLISH,
        OnGap.STOP,
        true,
        64L << 20);
  }
}
