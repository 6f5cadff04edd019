package io.outboxinbox.agent.source;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.agent.replay.Replay;
import io.outboxinbox.agent.source.outbox.StoredRows;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SearchPathIT {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.shared(PostgresVersion.V17);

  @RegisterExtension static final KafkaExtension kafka = KafkaExtension.shared();

  private static final String LOGIN = "search_path_mallory";

  /** A better match of types is taken before the server's own, wherever it is on the path. */
  @Test
  void runsNobodysFunctionsOrOperatorsOfTheOutboxsSchema() throws Exception {
    try (PipelineRig rig = new PipelineRig(postgres, kafka)) {
      rig.execute(
          "CREATE ROLE %s LOGIN PASSWORD 'm'".formatted(LOGIN),
          // As PostgreSQL 14 and what was upgraded from there have it.
          "GRANT CREATE ON SCHEMA public TO PUBLIC");
      try {
        layTraps(rig, "public");
        Pipeline pipeline = rig.start("");
        rig.awaitLeading(pipeline);
        rig.insert(0, 20);
        rig.awaitEvents(20);
        assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
        assertThat(rig.query("SELECT coalesce(string_agg(DISTINCT what, ', '), '') FROM loot"))
            .isEmpty();
      } finally {
        rig.execute("DROP OWNED BY %s CASCADE".formatted(LOGIN), "DROP ROLE " + LOGIN);
      }
    }
  }

  /** Whoever owns a schema may make operators there, and casts from and to types of his own. */
  @ParameterizedTest
  @ValueSource(strings = {"CREATE EXTENSION citext SCHEMA app", "CREATE DOMAIN app.citext AS text"})
  void runsNothingOfWhoeverOwnsTheSchemaOfAColumnsType(String type) throws Exception {
    try (PipelineRig rig = new PipelineRig(postgres, kafka)) {
      rig.execute(
          "CREATE ROLE %s LOGIN PASSWORD 'm'".formatted(LOGIN),
          "CREATE SCHEMA app AUTHORIZATION " + LOGIN,
          "GRANT USAGE ON SCHEMA app TO PUBLIC",
          type,
          "CREATE DOMAIN app.identifier AS app.citext",
          "CREATE TYPE app.kind AS ENUM ('placed')",
          "CREATE TYPE app.pair AS (a text, b text)",
          "ALTER TYPE app.kind OWNER TO " + LOGIN,
          "ALTER TYPE app.pair OWNER TO " + LOGIN,
          "CREATE TABLE odd (LIKE outbox_event INCLUDING DEFAULTS)",
          "ALTER TABLE odd ALTER COLUMN id DROP DEFAULT, ALTER COLUMN id TYPE app.identifier",
          "ALTER TABLE odd ALTER COLUMN event_type TYPE app.kind USING NULL, ADD beside app.pair",
          "GRANT SELECT ON odd TO outbox_agent",
          "ALTER PUBLICATION outbox_publication SET TABLE odd");
      try {
        layTraps(rig, "app");
        layTrapsOfTypes(rig);
        String source = "table: odd\n      onGap: reconcile\n      ";
        insert(rig, "a", 0);
        insert(rig, "A", 1);
        Pipeline pipeline = rig.start(source);
        rig.awaitEvents(2);
        rig.awaitLeading(pipeline);
        insert(rig, "b", 2);
        rig.awaitEvents(3);
        assertThat(pipeline.stop(Duration.ofSeconds(20))).isTrue();
        rig.forgetPosition();
        insert(rig, "c", 3);
        rig.awaitLeading(rig.start(source));
        rig.awaitEvents(4);
        assertThat(rig.numbersOf(rig.consume())).containsExactly(0, 1, 2, 3);
        StoredRows.Selection some =
            new StoredRows.Selection(null, null, List.of("a", "c"), "order", "k");
        new Replay(rig.configuration(source))
            .run(new Replay.Order("again", null, some, null, 1, null), progress -> {});
        assertThat(rig.query("SELECT coalesce(string_agg(DISTINCT what, ', '), '') FROM app.loot"))
            .isEmpty();
      } finally {
        rig.execute("DROP OWNED BY %s CASCADE".formatted(LOGIN), "DROP ROLE " + LOGIN);
      }
    }
  }

  private static void insert(PipelineRig rig, String id, int number) throws Exception {
    rig.execute(
        "INSERT INTO odd (id, aggregate_type, aggregate_id, event_type, payload, beside) VALUES ('%s', 'order', 'k', 'placed', '{\"n\":%d}', ROW('a', 'b'))"
            .formatted(id, number));
  }

  private static void layTrapsOfTypes(PipelineRig rig) throws Exception {
    try (Connection connection = DriverManager.getConnection(rig.database.jdbcUrl(), LOGIN, "m");
        Statement statement = connection.createStatement()) {
      statement.execute(
          """
          CREATE FUNCTION app.is_same(a app.identifier, b app.citext) RETURNS boolean LANGUAGE plpgsql AS
            $$ BEGIN PERFORM app.took('identifier = citext'); RETURN a::text OPERATOR(pg_catalog.=) b::text; END $$;
          CREATE OPERATOR app.= (LEFTARG = app.identifier, RIGHTARG = app.citext, FUNCTION = app.is_same);
          CREATE FUNCTION app.as_text(a app.pair) RETURNS text LANGUAGE plpgsql AS
            $$ BEGIN PERFORM app.took('pair::text'); RETURN ''; END $$;
          CREATE CAST (app.pair AS text) WITH FUNCTION app.as_text(app.pair);
          CREATE FUNCTION app.as_text(a app.kind) RETURNS text LANGUAGE plpgsql AS
            $$ BEGIN PERFORM app.took('kind::text'); RETURN 'placed'; END $$;
          CREATE CAST (app.kind AS text) WITH FUNCTION app.as_text(app.kind) AS IMPLICIT;
          """);
    }
  }

  private static void layTraps(PipelineRig rig, String schema) throws Exception {
    try (Connection connection = DriverManager.getConnection(rig.database.jdbcUrl(), LOGIN, "m");
        Statement statement = connection.createStatement()) {
      statement.execute(
          """
          CREATE TABLE public.loot (what text);
          GRANT INSERT ON public.loot TO PUBLIC;
          CREATE FUNCTION public.took(what text) RETURNS void LANGUAGE plpgsql AS $$
          BEGIN
            IF current_user = 'outbox_agent' THEN INSERT INTO public.loot VALUES (what); END IF;
          EXCEPTION WHEN read_only_sql_transaction THEN NULL;
          END $$;
          CREATE FUNCTION public.quote_ident(a name) RETURNS text LANGUAGE plpgsql AS
            $$ BEGIN PERFORM public.took('quote_ident(name)'); RETURN pg_catalog.quote_ident(a::text); END $$;
          CREATE FUNCTION public.is_same(a name, b varchar) RETURNS boolean LANGUAGE plpgsql AS
            $$ BEGIN PERFORM public.took('name = varchar'); RETURN a OPERATOR(pg_catalog.=) b::text; END $$;
          CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = varchar, FUNCTION = public.is_same);
          CREATE FUNCTION public.is_same(a text, b varchar) RETURNS boolean LANGUAGE plpgsql AS
            $$ BEGIN PERFORM public.took('text = varchar'); RETURN a OPERATOR(pg_catalog.=) b::text; END $$;
          CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = varchar, FUNCTION = public.is_same);
          """
              .replace("public.", schema + "."));
    }
  }
}
