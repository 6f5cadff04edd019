package io.outboxinbox.agent.source;

import static org.assertj.core.api.Assertions.assertThat;

import io.outboxinbox.agent.pipeline.Pipeline;
import io.outboxinbox.agent.pipeline.PipelineRig;
import io.outboxinbox.testkit.KafkaExtension;
import io.outboxinbox.testkit.PostgresExtension;
import io.outboxinbox.testkit.PostgresVersion;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

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
        layTraps(rig);
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

  private static void layTraps(PipelineRig rig) throws Exception {
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
          """);
    }
  }
}
