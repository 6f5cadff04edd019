package io.outboxinbox.agent.event;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** An event that knows where it goes. */
public record RoutedEvent(SequencedEvent sequenced, Destination destination) {

  /** The same with one more header. */
  public RoutedEvent with(String header, String value) {
    List<Destination.Header> headers = new ArrayList<>(destination.headers());
    headers.add(new Destination.Header(header, value.getBytes(StandardCharsets.UTF_8)));
    return new RoutedEvent(
        sequenced, new Destination(destination.topic(), destination.key(), List.copyOf(headers)));
  }
}
