package io.outboxinbox.agent.operate.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.outboxinbox.agent.CommandRun;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/** The command as an operator types it, against a real table; the test plays the leading agent. */
class ParkedCommandIT extends ParkedCommandSetUp {
  @Test
  void listsPageByPageWithTotalsAndWithoutPayloads() throws Exception {
    for (int i = 1; i <= 5; i++) {
      park(i, "k" + i % 2, i > 2, "topic shop.order does not exist");
    }
    CommandRun first = succeed("list", "--limit", "3");
    assertThat(first.out())
        .contains("id 'id-1'", "id 'id-3'", "key 'k1'", "'OrderPlaced' to 'shop.order'", "8 bytes")
        .contains("5 events (2 with a fault of their own, 3 behind them) of 2 keys, the oldest")
        .contains("next page: the same command with --after 3")
        .doesNotContain("id-4", "secret", "acme");
    CommandRun second = succeed("list", "--limit", "3", "--after", "3");
    assertThat(second.out()).contains("id-4", "id-5").doesNotContain("id-3", "next page");
  }

  @Test
  void filtersByEveryCriterion() throws Exception {
    park(1, "k1", false, "topic shop.order does not exist");
    park(2, "k2", false, "message of 2000000 bytes exceeds the limit");
    database.execute(
        "UPDATE outbox_parked SET topic = 'own', event_type = 'T2', parked_at = now() - interval '3 hours' WHERE ordinal = 2");
    for (String[] filter :
        List.of(
            new String[] {"--key", "k2"},
            new String[] {"--topic", "own"},
            new String[] {"--type", "T2"},
            new String[] {"--reason", "EXCEEDS the limit"})) {
      assertThat(succeed("list", filter).out())
          .as(filter[0])
          .contains("id-2")
          .doesNotContain("id-1");
    }
    assertThat(succeed("list", "--topic", "shop.order").out())
        .contains("id-1")
        .doesNotContain("id-2");
    assertThat(succeed("list", "--since", "1h").out()).contains("id-1").doesNotContain("id-2");
    assertThat(succeed("list", "--state", "released").out()).contains("0 events");
    assertThat(run("list", "--since", "yesterday").exitCode()).isEqualTo(2);
    assertThat(run("list", "--state", "gone").err()).contains("must be waiting, requested");
  }

  /** Such as of one that was taken from the list, whose events wait for a decision. */
  @Test
  void choosesByTableAndNamesOneThatIsNotConfigured() throws Exception {
    park(1, "k1", false, "why");
    park(2, "k2", false, "why");
    park(3, "k3", false, "parked by a version that noted no table");
    database.execute(
        "UPDATE outbox_parked SET source_table = CASE ordinal WHEN 1 THEN 'outbox_event' WHEN 2 THEN 'gone' END");
    assertThat(succeed("list", "--table", "gone").out())
        .contains("table gone, id id-2")
        .doesNotContain("id-1", "id-3");
    assertThat(succeed("list").out()).contains("id-1", "id-3").doesNotContain("table outbox_event");
  }

  @Test
  void showsOneEventAndWritesItsPayloadWhereAsked() throws Exception {
    park(1, "k1", false, "why");
    CommandRun shown = succeed("show", "1");
    assertThat(shown.out())
        .contains("sha256 ", "8 bytes", "tenant", "(route)", "transaction 99 at 0/10")
        .doesNotContain("secret-1");
    assertThat(succeed("show", "1", "--payload").out()).isEqualTo("secret-1");
    Path file = folder.resolve("payload");
    succeed("show", "1", "--out", file.toString());
    assertThat(file).hasContent("secret-1");
    assertThat(run("show", "2").err()).contains("there is no parked event 2");
  }

  @Test
  void rowsCannotSteerTheTerminal() throws Exception {
    park(1, "k1", false, "why");
    database.execute(
        "UPDATE outbox_parked SET key = E'a\\x1b[2Jb', event_type = E'T\\nfake line', reason = E'r\\x07\\u202E'");
    for (CommandRun ended : List.of(succeed("list"), succeed("show", "1"))) {
      assertThat(ended.out()).contains("a?[2Jb", "T?fake line", "r??");
      assertThat(ended.out().codePoints().filter(c -> c != '\n' && Character.isISOControl(c)))
          .isEmpty();
    }
  }

  @Test
  void requestsReleaseInOrderOfTheKeyOnly() throws Exception {
    park(1, "k1", false, "first");
    park(2, "k1", true, "behind 1");
    park(3, "k1", false, "second");
    park(4, "k2", false, "other key");
    CommandRun refused = run("release", "3", "4", "--by", "jane");
    assertThat(refused.exitCode()).isEqualTo(3);
    assertThat(refused.err())
        .contains("event 3 comes after event 1 of the same key", "release or discard 1 too");
    assertThat(requests()).isEmpty();
    assertThat(succeed("release", "3", "1", "4", "--by", "jane").out())
        .contains("release of 3 events is requested", "no agent leads this source at present");
    assertThat(requests()).isEqualTo("1 release jane, 3 release jane, 4 release jane");
  }

  @Test
  void releasesByFilterOnlyWhenToldToAndLeavesOutWhatWouldOvertake() throws Exception {
    park(1, "k1", false, "unknown topic");
    park(2, "k1", false, "too large");
    park(3, "k2", false, "too large");
    park(4, "k2", true, "behind 3");
    CommandRun asked = succeed("release", "--reason", "too large");
    assertThat(asked.out()).contains("2 events", "add --yes to do it");
    assertThat(requests()).isEmpty();
    CommandRun done = succeed("release", "--reason", "too large", "--yes", "--by", "jane");
    assertThat(done.out())
        .contains("release of 1 events is requested", "1 are left out", "2  comes after 1");
    assertThat(requests()).isEqualTo("3 release jane");
    succeed("release", "--all", "--yes", "--by", "joe");
    assertThat(requests()).isEqualTo("1 release joe, 2 release joe, 3 release jane");
    assertThat(run("release").err()).contains("name events by their numbers");
    assertThat(run("release", "1", "--all").exitCode()).isEqualTo(2);
  }

  @Test
  void discardNeedsAReasonAndCanBeTakenBack() throws Exception {
    park(1, "k1", false, "why");
    assertThat(run("discard", "1").exitCode()).isEqualTo(2);
    succeed("discard", "1", "--reason", "test data", "--by", "jane");
    assertThat(one("SELECT requested || requested_by || requested_reason FROM outbox_parked"))
        .isEqualTo("discardjanetest data");
    assertThat(succeed("show", "1").out()).contains("'jane'", "'test data'", "discard requested");
    succeed("cancel", "1");
    assertThat(requests()).isEmpty();
    assertThat(run("cancel", "1").err()).contains("nothing was requested for parked event 1");
  }

  @Test
  void refusesWhatIsSettledOnItsWayOrUnknown() throws Exception {
    park(1, "k1", false, "why");
    park(2, "k2", false, "why");
    database.execute(
        "UPDATE outbox_parked SET state = 'released', settled_at = now(), published_sequence = 5 WHERE ordinal = 1",
        "UPDATE outbox_parked SET requested = 'release', release = 3, published_sequence = 6 WHERE ordinal = 2");
    assertThat(succeed("list", "--state", "all").out())
        .contains("released as sequence 5", "being published")
        .contains("2 events (1 with a fault of their own, 0 behind them, 1 settled) of 2 keys")
        .doesNotContain("sequence 6");
    assertThat(succeed("list", "--state", "released").out())
        .contains("1 events (0 with a fault of their own, 0 behind them, 1 settled)");
    for (String[] arguments :
        List.of(
            new String[] {"release"},
            new String[] {"discard", "--reason", "x"},
            new String[] {"edit", "--reason", "x", "--type", "T"})) {
      assertThat(refusal(arguments, "1")).contains("was released already, at");
      assertThat(refusal(arguments, "2")).contains("is being published right now");
      assertThat(refusal(arguments, "9")).contains("there is no parked event 9");
    }
  }

  private String refusal(String[] arguments, String ordinal) throws Exception {
    List<String> more = new ArrayList<>(List.of(arguments).subList(1, arguments.length));
    more.add(0, ordinal);
    CommandRun ended = run(arguments[0], more.toArray(String[]::new));
    assertThat(ended.exitCode()).as(ended.toString()).isEqualTo(3);
    return ended.err();
  }

  @Test
  void editsFieldsAndKeepsWhatTheyWere() throws Exception {
    park(1, "4711", false, "why");
    Path payload = Files.writeString(folder.resolve("new.json"), "{\"total\": 1}");
    CommandRun edited =
        succeed(
            "edit",
            "1",
            "--reason",
            "ticket 12",
            "--by",
            "jane",
            "--payload-file",
            payload.toString(),
            "--topic",
            "own",
            "--type",
            "OrderPlaced",
            "--header",
            "tenant=zeta",
            "--header",
            "a=b=c");
    assertThat(edited.out()).contains("changed topic, headers, payload");
    assertThat(one("SELECT convert_from(payload, 'UTF8') || topic || headers FROM outbox_parked"))
        .isEqualTo("{\"total\": 1}own{\"tenant\":\"zeta\",\"a\":\"b=c\"}");
    assertThat(
            one(
                "SELECT string_agg(field || '=' || coalesce(convert_from(before, 'UTF8'), 'NULL') || ' ' || edited_by || ' ' || reason, ', ' ORDER BY field) FROM outbox_parked_edit"))
        .isEqualTo(
            "headers={\"tenant\": \"acme\"} jane ticket 12, payload=secret-1 jane ticket 12, topic=NULL jane ticket 12");
    assertThat(succeed("show", "1").out())
        .contains("by 'jane': 'ticket 12'; it was '8 bytes, sha256 ")
        .doesNotContain("secret-1");
    succeed("edit", "1", "--reason", "x", "--no-topic", "--remove-header", "a");
    assertThat(one("SELECT headers || coalesce(topic, '-') FROM outbox_parked"))
        .isEqualTo("{\"tenant\":\"zeta\"}-");
    assertThat(run("edit", "1", "--reason", "x").err()).contains("nothing to change");
    assertThat(run("edit", "1", "--reason", "x", "--remove-header", "q").err())
        .contains("has no header 'q'");
    assertThat(run("edit", "1", "--reason", "x", "--id", "other").err()).contains("has an id");
  }

  @Test
  void changesTheKeyOnlyWhenToldTo() throws Exception {
    park(1, "4711", false, "why");
    CommandRun refused = run("edit", "1", "--reason", "x", "--aggregate-id", "4712");
    assertThat(refused.err()).contains("would leave the order of key '4711'", "--change-key");
    assertThat(one("SELECT aggregate_id FROM outbox_parked")).isEqualTo("4711");
    succeed("edit", "1", "--reason", "x", "--aggregate-id", "4712", "--change-key");
    assertThat(one("SELECT aggregate_id || key FROM outbox_parked")).isEqualTo("47124711");
    park(2, null, false, "column aggregate_id is empty");
    succeed("edit", "2", "--reason", "x", "--aggregate-id", "9");
  }

  @Test
  void brokenHeadersCanOnlyBeClearedFirst() throws Exception {
    park(1, "k", false, "headers");
    database.execute("UPDATE outbox_parked SET headers = '{\"token\": sesame'");
    assertThat(run("edit", "1", "--reason", "x", "--header", "a=b").err())
        .contains("--clear-headers")
        .doesNotContain("sesame");
    succeed("edit", "1", "--reason", "x", "--clear-headers", "--header", "a=b");
    assertThat(one("SELECT headers FROM outbox_parked")).isEqualTo("{\"a\":\"b\"}");
  }

  @Test
  void editWaitsForTheLeaderThatTakesTheRowAndThenRefuses() throws Exception {
    park(1, "k", false, "why");
    try (Connection leader = database.connect();
        Statement statement = leader.createStatement()) {
      leader.setAutoCommit(false);
      statement.execute("UPDATE outbox_parked SET release = 1 WHERE ordinal = 1");
      CompletableFuture<CommandRun> edit =
          CompletableFuture.supplyAsync(
              () -> {
                try {
                  return run("edit", "1", "--reason", "x", "--type", "T");
                } catch (Exception e) {
                  throw new IllegalStateException(e);
                }
              });
      await()
          .atMost(Duration.ofSeconds(90))
          .until(
              () ->
                  one("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                          + " AND wait_event_type = 'Lock' AND application_name LIKE '%parked'")
                      .equals("1"));
      leader.commit();
      assertThat(edit.get().err()).contains("is being published right now");
    }
    assertThat(one("SELECT event_type FROM outbox_parked")).isEqualTo("OrderPlaced");
    assertThat(one("SELECT count(*) FROM outbox_parked_edit")).isEqualTo("0");
  }

  @Test
  void waitsUntilTheLeaderHasDoneItAndSaysWhatBecameOfEach() throws Exception {
    park(1, "k1", false, "why");
    park(2, "k2", false, "why");
    CompletableFuture<CommandRun> release =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return run("release", "1", "2", "--wait", "--timeout", "60s");
              } catch (Exception e) {
                throw new IllegalStateException(e);
              }
            });
    await().atMost(Duration.ofSeconds(90)).until(() -> requests().contains("2 release"));
    database.execute(
        "UPDATE outbox_parked SET state = 'released', settled_at = now(), published_sequence = 5, release = 1 WHERE ordinal = 1",
        "UPDATE outbox_parked SET requested = NULL, attempts = 2, reason = 'still too large' WHERE ordinal = 2");
    CommandRun ended = release.get();
    assertThat(ended.exitCode()).isEqualTo(1);
    assertThat(ended.out())
        .contains("1  released as sequence 5", "2  refused again: still too large")
        .contains("1 settled, 1 still parked");
  }

  @Test
  void givesUpWaitingButNotTheRequest() throws Exception {
    park(1, "k1", false, "why");
    CommandRun discard = run("discard", "1", "--reason", "test", "--wait", "--timeout", "1ms");
    assertThat(discard.exitCode()).isEqualTo(3);
    assertThat(discard.err()).contains("the request stands");
    succeed("cancel", "1");
    CommandRun ended = run("release", "1", "--wait", "--timeout", "1ms", "--by", "jane");
    assertThat(ended.exitCode()).isEqualTo(3);
    assertThat(ended.err()).contains("the request stands");
    assertThat(requests()).isEqualTo("1 release jane");
  }

  @Test
  void saysWhatIsMissing() throws Exception {
    park(1, "k", false, "why");
    database.execute("UPDATE outbox_parked SET source = 'older/db/pub'");
    assertThat(succeed("list").out())
        .contains("0 events", "note: 1 more wait under source 'older/db/pub'");
    database.execute("DROP TABLE outbox_parked");
    CommandRun ended = run("list");
    assertThat(ended.exitCode()).isEqualTo(3);
    assertThat(ended.err()).contains("has no table outbox_parked", "04_agent.sql");
    Files.writeString(config, Files.readString(config).replace("name: orders", "name: other"));
    assertThat(run("list").err())
        .contains("no pipeline orders in the configuration; there are [other]");
  }
}
