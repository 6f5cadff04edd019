package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HiddenEndTest {
  @ParameterizedTest
  @ValueSource(strings = {"SELECT 1; END", "SELECT 1;END;", "SELECT 1; END TRANSACTION; BEGIN"})
  void knowsAnEndBehindAnotherStatementOfPostgres(String sql) {
    assertThat(HiddenEnd.isIn(sql, false)).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "SELECT CASE WHEN a THEN b\nEND",
        "SELECT '; END;'",
        "SELECT U&'\\0027; END'",
        "-- ; END\nSELECT 1",
        "DO $$ BEGIN NULL; END $$",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END",
        "SELECT 1; ENDURE"
      })
  void letsOtherStatementsOfPostgresPass(String sql) {
    assertThat(HiddenEnd.isIn(sql, false)).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "/*! COMMIT */",
        "/*M! COMMIT */",
        "/*!50000 TRUNCATE TABLE a */",
        "# x\nCOMMIT",
        "# it's\n/* it's */ -- it's\ncommit",
        "ANALYZE TABLE a",
        "OPTIMIZE LOCAL TABLE a",
        "CHECK TABLE a",
        "REPAIR TABLES a, b",
        "FLUSH STATUS",
        "RESET QUERY CACHE",
        "SET PASSWORD = PASSWORD('a')",
        "INSTALL SONAME 'a'",
        "EXECUTE IMMEDIATE 'COMMIT'",
        "PREPARE a FROM \"rollback\"",
        "BEGIN NOT ATOMIC COMMIT; END",
        "BEGIN NOT ATOMIC INSERT INTO a VALUES (1); COMMIT; END",
        "IF 1 THEN COMMIT; END IF",
        "SET STATEMENT max_statement_time=1 FOR COMMIT"
      })
  void knowsWhatCommitsInMySqlAndMariaDb(String sql) {
    assertThat(HiddenEnd.isIn(sql, true)).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "SELECT 1",
        "ANALYZE SELECT 1",
        "ANALYZE FORMAT=JSON SELECT 1",
        "CHECKSUM TABLE a",
        "CREATE OR REPLACE TEMPORARY TABLE a (b int)",
        "CREATE  TEMPORARY  TABLE a (b int)",
        "DROP PREPARE a",
        "/* COMMIT */ SELECT 1",
        "# COMMIT\nSELECT 1",
        "EXECUTE IMMEDIATE 'SELECT 1'",
        "PREPARE a FROM 'INSERT INTO commit VALUES (1)'",
        "BEGIN NOT ATOMIC INSERT INTO a VALUES ('; COMMIT'); END",
        "SET STATEMENT max_statement_time=1 FOR SELECT 1",
        "SET @a = 1",
        "ROLLBACK WORK TO a",
        "INSERT INTO a VALUES ('; FLUSH TABLES')",
        "/*! unclosed",
        "/* unclosed"
      })
  void letsOtherStatementsOfMySqlPass(String sql) {
    assertThat(HiddenEnd.isIn(sql, true)).isFalse();
  }

  @Test
  void asksAgainOnlyBehindWhatMayEndATransaction() {
    assertThat(HiddenEnd.mayBeIn("SELECT 'it''s'; END; BEGIN")).isTrue();
    assertThat(HiddenEnd.mayBeIn("/* /* */ */ COMMIT AND CHAIN")).isTrue();
    assertThat(HiddenEnd.mayBeIn("SELECT CASE WHEN a THEN b END FROM t;")).isFalse();
    assertThat(HiddenEnd.mayBeIn("UPDATE t SET a = 'committed'; SELECT 1")).isFalse();
  }

  /** Texts of some megabytes are usual in statements of handlers. */
  @Test
  void takesLongTexts() {
    String text = "'" + "x'' ; /* # ".repeat(1_000_000) + "'";
    assertThat(HiddenEnd.isIn("INSERT INTO t VALUES (" + text + ")", true)).isFalse();
    assertThat(HiddenEnd.isIn("SELECT " + text + "; END", false)).isFalse();
    assertThat(HiddenEnd.isIn("# x\n".repeat(1_000_000) + "COMMIT", true)).isTrue();
    assertThat(HiddenEnd.mayBeIn("SELECT " + text + "; END")).isTrue();
  }
}
