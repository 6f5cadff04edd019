package io.outboxinbox.agent.route;

import io.outboxinbox.agent.event.OutboxEvent;
import io.outboxinbox.agent.event.OutboxRow;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Text with columns in braces, such as {@code shop.{aggregate_type}}, parsed once. Immutable, for
 * any thread.
 */
public final class RowTemplate {
  private static final String ID = "id";
  private static final String AGGREGATE_TYPE = "aggregate_type";
  private static final String AGGREGATE_ID = "aggregate_id";
  private static final String EVENT_TYPE = "event_type";
  private static final Set<String> ALWAYS_THERE =
      Set.of(ID, AGGREGATE_TYPE, AGGREGATE_ID, EVENT_TYPE);

  private final String text;
  private final List<Part> parts;

  private RowTemplate(String text, List<Part> parts) {
    this.text = text;
    this.parts = List.copyOf(parts);
  }

  /**
   * A piece of the template.
   *
   * @param isColumn whether {@code text} is a column's name, else it is taken as it is
   */
  private record Part(boolean isColumn, String text) {}

  /**
   * Reads a template.
   *
   * @throws IllegalArgumentException naming the position of the fault and the columns to choose
   *     from
   */
  public static RowTemplate parse(String text) {
    if (text.isEmpty()) {
      throw new IllegalArgumentException("template is empty; write a name or " + choices());
    }
    List<Part> parts = new ArrayList<>();
    int at = 0;
    while (at < text.length()) {
      int open = text.indexOf('{', at);
      int literalEnd = open < 0 ? text.length() : open;
      int stray = text.indexOf('}', at);
      if (stray >= 0 && stray < literalEnd) {
        throw fault(text, stray, "closes nothing");
      }
      if (literalEnd > at) {
        parts.add(new Part(false, text.substring(at, literalEnd)));
      }
      if (open < 0) {
        break;
      }
      at = addColumn(parts, text, open);
    }
    return new RowTemplate(text, parts);
  }

  private static int addColumn(List<Part> parts, String text, int open) {
    int close = text.indexOf('}', open);
    if (close < 0) {
      throw fault(text, open, "is never closed");
    }
    String name = text.substring(open + 1, close);
    if (name.isBlank() || name.indexOf('{') >= 0) {
      throw fault(text, open, "is not followed by a column and '}'");
    }
    parts.add(new Part(true, name));
    return close + 1;
  }

  private static IllegalArgumentException fault(String text, int index, String problem) {
    return new IllegalArgumentException(
        "template '%s': '%s' at position %d %s; write %s"
            .formatted(text, text.charAt(index), index + 1, problem, choices()));
  }

  private static String choices() {
    return "{aggregate_type}, {aggregate_id}, {event_type}, {id} or a column of source.extraColumns";
  }

  /** Columns that have to be in {@code source.extraColumns}, in order of appearance. */
  public Set<String> columns() {
    Set<String> columns = new LinkedHashSet<>();
    for (Part part : parts) {
      if (part.isColumn() && !ALWAYS_THERE.contains(part.text())) {
        columns.add(part.text());
      }
    }
    return columns;
  }

  /** Whether every row gives the same text. */
  public boolean isFixed() {
    return parts.stream().noneMatch(Part::isColumn);
  }

  /** The pieces that do not come from rows, joined. */
  String literals() {
    StringBuilder literals = new StringBuilder();
    parts.stream().filter(part -> !part.isColumn()).forEach(part -> literals.append(part.text()));
    return literals.toString();
  }

  /**
   * Puts the row's values in.
   *
   * @throws io.outboxinbox.agent.event.AgentException.RejectedEvent a column is null
   */
  String fill(OutboxEvent event) {
    if (parts.size() == 1) {
      return valueOf(parts.get(0), event);
    }
    StringBuilder filled = new StringBuilder(64);
    for (Part part : parts) {
      filled.append(valueOf(part, event));
    }
    return filled.toString();
  }

  /** The same; null when a column is null. */
  @Nullable String fillOrNull(OutboxRow row) {
    StringBuilder filled = new StringBuilder(64);
    for (Part part : parts) {
      @Nullable String value = part.isColumn() ? columnOf(row, part.text()) : part.text();
      if (value == null) {
        return null;
      }
      filled.append(value);
    }
    return filled.toString();
  }

  private static @Nullable String columnOf(OutboxRow row, String column) {
    return switch (column) {
      case ID -> row.id();
      case AGGREGATE_TYPE -> row.aggregateType();
      case AGGREGATE_ID -> row.aggregateId();
      case EVENT_TYPE -> row.eventType();
      default -> row.extra().get(column);
    };
  }

  private String valueOf(Part part, OutboxEvent event) {
    if (!part.isColumn()) {
      return part.text();
    }
    @Nullable String value = columnOf(event, part.text());
    if (value == null) {
      throw Rejection.of(
          event,
          "column " + part.text() + " is null, template '" + text + "' needs it",
          "make the column NOT NULL or change the template");
    }
    return value;
  }

  @Override
  public String toString() {
    return text;
  }
}
