package io.outboxinbox.agent;

import java.util.TimeZone;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Another time zone for this process while the tests of a class run. */
public final class ProcessZone implements BeforeAllCallback, AfterAllCallback {
  private final TimeZone during;
  private TimeZone before = TimeZone.getDefault();

  public ProcessZone(String id) {
    this.during = TimeZone.getTimeZone(id);
  }

  @Override
  public void beforeAll(ExtensionContext context) {
    before = TimeZone.getDefault();
    TimeZone.setDefault(during);
  }

  @Override
  public void afterAll(ExtensionContext context) {
    TimeZone.setDefault(before);
  }
}
