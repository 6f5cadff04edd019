package io.outboxinbox.agent.route;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.outboxinbox.agent.event.AgentException.RejectedEvent;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RowTemplateTest {
  @Test
  void putsEveryStandardColumnIn() {
    RowTemplate template =
        RowTemplate.parse("shop.{aggregate_type}.{event_type}.{aggregate_id}.{id}.v1");

    assertThat(template.fill(Rows.usual().event()))
        .isEqualTo("shop.order.OrderPlaced.42." + Rows.ID + ".v1");
    assertThat(template.columns()).isEmpty();
    assertThat(template.isFixed()).isFalse();
  }

  @Test
  void namesFurtherColumnsOnceInOrder() {
    RowTemplate template = RowTemplate.parse("{region}-{tenant}-{region}");

    assertThat(template.columns()).containsExactly("region", "tenant");
    assertThat(
            template.fill(Rows.usual().withExtra(Map.of("region", "eu", "tenant", "acme")).event()))
        .isEqualTo("eu-acme-eu");
  }

  @Test
  void isFixedWithoutColumns() {
    assertThat(RowTemplate.parse("orders").isFixed()).isTrue();
    assertThat(RowTemplate.parse("orders").fill(Rows.usual().event())).isEqualTo("orders");
  }

  @Test
  void rejectsRowWhoseColumnIsNull() {
    RowTemplate template = RowTemplate.parse("orders.{region}");

    assertThatThrownBy(() -> template.fill(Rows.usual().event()))
        .isInstanceOf(RejectedEvent.class)
        .hasMessage(
            "event '%s': column region is null, template 'orders.{region}' needs it; make the column NOT NULL or change the template",
            Rows.ID);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          a.{aggregate_type | template 'a.{aggregate_type': '{' at position 3 is never closed
          a}.b              | template 'a}.b': '}' at position 2 closes nothing
          a.{}              | template 'a.{}': '{' at position 3 is not followed by a column
          a.{b{c}}          | template 'a.{b{c}}': '{' at position 3 is not followed by a column
          {event_type}}     | template '{event_type}}': '}' at position 13 closes nothing
          """)
  void pointsAtFaultAndNamesColumns(String text, String message) {
    assertThatThrownBy(() -> RowTemplate.parse(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith(message)
        .hasMessageEndingWith(
            "write {aggregate_type}, {aggregate_id}, {event_type}, {id} or a column of source.extraColumns");
  }

  @Test
  void refusesEmptyText() {
    assertThatThrownBy(() -> RowTemplate.parse("")).hasMessageStartingWith("template is empty");
  }
}
