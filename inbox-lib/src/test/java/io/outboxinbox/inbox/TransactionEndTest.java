package io.outboxinbox.inbox;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TransactionEndTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "COMMIT",
        "  commit work",
        "/* done */ COMMIT;",
        "-- done\nrollback",
        "ROLLBACK AND CHAIN",
        "abort",
        "SELECT 1; COMMIT",
        "INSERT INTO t VALUES ('it''s'); COMMIT; BEGIN"
      })
  void knowsWhatEndsATransactionOfEitherDatabase(String sql) {
    assertThat(TransactionEnd.isIn(sql, false)).isTrue();
    assertThat(TransactionEnd.isIn(sql, true)).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "ROLLBACK TO SAVEPOINT a",
        "rollback work to a",
        "SAVEPOINT a",
        "INSERT INTO t VALUES ('; COMMIT')",
        "INSERT INTO commit VALUES (1)",
        "UPDATE t SET \"; COMMIT\" = 1",
        "SELECT CASE WHEN a THEN b END FROM t",
        "CREATE TEMPORARY TABLE t (a int)",
        "SELECT a FROM t WHERE b = 1 LOCK IN SHARE MODE",
        ""
      })
  void letsOtherStatementsPass(String sql) {
    assertThat(TransactionEnd.isIn(sql, false)).isFalse();
    assertThat(TransactionEnd.isIn(sql, true)).isFalse();
  }

  /** Whatever the session says of backslashes and double quotes. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "INSERT INTO t VALUES ('it\\'s; commit')",
        "INSERT INTO t VALUES ('it''s \\\\\\'; commit', 1)",
        "INSERT INTO t VALUES (\"it\\\"s; commit\")",
        "INSERT INTO t VALUES ('C:\\', '; commit')",
        "UPDATE t SET \"a\\\" = '\\'; commit'",
        "SELECT 1 # it's\n, '; commit'",
        "SELECT 5--1, 'a\n; commit'",
        "SELECT $$, '$$; commit'"
      })
  void letsTextsOfMySqlPassWithQuotesBehindBackslashes(String sql) {
    assertThat(TransactionEnd.isIn(sql, true)).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "INSERT INTO t VALUES (E'it\\'s; commit')",
        "INSERT INTO t VALUES (e'it''s \\'; commit')",
        "INSERT INTO t VALUES ('it\\'s; commit')",
        "SELECT a FROM t WHERE a LIKE'x\\' AND b = '; commit'",
        "SELECT /* a /* b */ ; commit */ 1",
        "SELECT a$b$, 'it $b$ ; commit'"
      })
  void letsTextsOfPostgresPassWithQuotesBehindBackslashes(String sql) {
    assertThat(TransactionEnd.isIn(sql, false)).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "INSERT INTO t VALUES ('it\\'s'); COMMIT",
        "INSERT INTO t VALUES ('C:\\\\'); COMMIT",
        "INSERT INTO t VALUES ('C:\\'); COMMIT"
      })
  void knowsWhatEndsATransactionBehindTextsWithBackslashes(String sql) {
    assertThat(TransactionEnd.isIn(sql, true)).isTrue();
    assertThat(TransactionEnd.isIn(sql, false)).isTrue();
    assertThat(TransactionEnd.isIn(sql.replace("('", "(E'"), false)).isTrue();
  }

  @Test
  void knowsWhatEndsATransactionBehindCommentsInComments() {
    assertThat(TransactionEnd.isIn("/* a /* b */ c */ COMMIT", false)).isTrue();
  }

  @ParameterizedTest
  @ValueSource(strings = {"END", "end work;", "PREPARE TRANSACTION 'a'"})
  void knowsWhatEndsATransactionOfPostgres(String sql) {
    assertThat(TransactionEnd.isIn(sql, false)).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "TRUNCATE TABLE staging",
        "CREATE TABLE a (b int)",
        "drop table a",
        "ALTER TABLE a ADD b int",
        "START TRANSACTION",
        "BEGIN",
        "SET autocommit = 1",
        "SET SESSION autocommit = 1"
      })
  void knowsWhatEndsATransactionOfMySqlOnly(String sql) {
    assertThat(TransactionEnd.isIn(sql, true)).isTrue();
    assertThat(TransactionEnd.isIn(sql, false)).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "ROLLBACK /* x */ TO SAVEPOINT a",
        "ROLLBACK/**/WORK # x\nTO a",
        "CREATE /* x */ TEMPORARY TABLE t (a int)",
        "DROP -- x\nTEMPORARY TABLE t",
        "SET autocommit = 0",
        "SET @@session.autocommit := OFF"
      })
  void letsHarmlessStatementsOfMySqlPassWithCommentsBetweenWords(String sql) {
    assertThat(TransactionEnd.isIn(sql, true)).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "ROLLBACK /* TO a */ AND CHAIN",
        "CREATE /* TEMPORARY */ TABLE t (a int)",
        "START/**/TRANSACTION",
        "SET /* x */ autocommit = ON"
      })
  void knowsWhatEndsATransactionOfMySqlWithCommentsBetweenWords(String sql) {
    assertThat(TransactionEnd.isIn(sql, true)).isTrue();
  }

  @ParameterizedTest
  @ValueSource(strings = {"PREPARE /**/ TRANSACTION 'a'", "PREPARE -- x\nTRANSACTION 'a'"})
  void knowsWhatEndsATransactionOfPostgresWithCommentsBetweenWords(String sql) {
    assertThat(TransactionEnd.isIn(sql, false)).isTrue();
  }

  @Test
  void looksIntoNoBlockOfCode() {
    assertThat(TransactionEnd.isIn("DO $a$ BEGIN PERFORM 1; COMMIT; END $a$", false)).isFalse();
  }

  @ParameterizedTest
  @ValueSource(strings = {"SELECT 1; END", "SELECT 1;END;", "SELECT 1; END TRANSACTION; BEGIN"})
  void knowsAnEndBehindAnotherStatementOfPostgres(String sql) {
    assertThat(TransactionEnd.isIn(sql, false)).isTrue();
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
    assertThat(TransactionEnd.isIn(sql, false)).isFalse();
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
    assertThat(TransactionEnd.isIn(sql, true)).isTrue();
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
    assertThat(TransactionEnd.isIn(sql, true)).isFalse();
  }

  @Test
  void suspectsOnlyWhatMayHaveCommitted() {
    assertThat(TransactionEnd.mayBeIn("SELECT 'it''s'; END; BEGIN", false)).isTrue();
    assertThat(TransactionEnd.mayBeIn("/* /* */ */ COMMIT AND CHAIN", false)).isTrue();
    assertThat(TransactionEnd.mayBeIn("SELECT CASE WHEN a THEN b END FROM t;", false)).isFalse();
    assertThat(TransactionEnd.mayBeIn("UPDATE t SET a = 'committed'; SELECT 1", false)).isFalse();
    assertThat(TransactionEnd.mayBeIn(" insert into t values ('commit')", true)).isFalse();
    assertThat(TransactionEnd.mayBeIn("SELECT 1; CALL settle()", true)).isTrue();
    assertThat(TransactionEnd.mayBeIn("{call settle()}", true)).isTrue();
    assertThat(TransactionEnd.mayBeIn("EXECUTE a", true)).isTrue();
  }

  /** Texts of some megabytes are usual in statements of handlers. */
  @Test
  void takesLongTexts() {
    String text = "'" + "x''".repeat(1_000_000) + "'";
    assertThat(TransactionEnd.isIn("INSERT INTO t VALUES (" + text + ")", true)).isFalse();
    assertThat(TransactionEnd.isIn("SELECT " + text + "; COMMIT", false)).isTrue();
    String escaped = "'" + "x\\'".repeat(1_000_000) + "'";
    assertThat(TransactionEnd.isIn("INSERT INTO t VALUES (" + escaped + ")", true)).isFalse();
    assertThat(TransactionEnd.isIn("SELECT E" + escaped + "; COMMIT", false)).isTrue();
    String comment = "/*" + " * / ".repeat(1_000_000) + "*/";
    assertThat(TransactionEnd.isIn(comment + "COMMIT", false)).isTrue();
    String mixed = "'" + "x'' ; /* # ".repeat(1_000_000) + "'";
    assertThat(TransactionEnd.isIn("INSERT INTO t VALUES (" + mixed + ")", true)).isFalse();
    assertThat(TransactionEnd.isIn("SELECT " + mixed + "; END", false)).isFalse();
    assertThat(TransactionEnd.isIn("# x\n".repeat(1_000_000) + "COMMIT", true)).isTrue();
    assertThat(TransactionEnd.mayBeIn("SELECT " + mixed + "; END", false)).isTrue();
  }
}
