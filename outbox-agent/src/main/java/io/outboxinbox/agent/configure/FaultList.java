package io.outboxinbox.agent.configure;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Collects faults by path, so that one cause is told once. */
final class FaultList {
  private final List<Fault> faults = new ArrayList<>();

  private record Fault(String path, String text) {}

  void add(String path, String text) {
    faults.add(new Fault(path, text));
  }

  boolean isEmpty() {
    return faults.isEmpty();
  }

  /** Whether a fault at this place, inside it or around it is known already. */
  boolean covers(String path) {
    return faults.stream()
        .anyMatch(fault -> isInside(fault.path(), path) || isInside(path, fault.path()));
  }

  private static boolean isInside(String path, String outer) {
    return path.equals(outer) || path.startsWith(outer + ".") || path.startsWith(outer + "[");
  }

  /** One line per fault, in the order of the file; what the file lacks stands at its block. */
  List<String> linesFor(YamlDocument document) {
    return faults.stream()
        .sorted(Comparator.comparingInt(fault -> document.lineOf(fault.path())))
        .map(fault -> line(fault, document))
        .distinct()
        .toList();
  }

  private static String line(Fault fault, YamlDocument document) {
    String place = fault.path().isEmpty() ? "file" : fault.path();
    int line = document.lineOf(fault.path());
    return place + ": " + fault.text() + (line > 0 ? " (line " + line + ")" : "");
  }
}
