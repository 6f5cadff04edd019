package io.outboxinbox.inbox;

import java.util.regex.Pattern;

/**
 * A second look at SQL, for what {@link TransactionEnd} does not see. Refuses only what cannot be
 * anything else; for the rest, tells after which SQL it is worth a question whether the transaction
 * is still the same.
 */
final class HiddenEnd {
  private static final int FLAGS = Pattern.CASE_INSENSITIVE;

  /** Where nothing is quoted, nothing can be misread. */
  private static final Pattern QUOTING = Pattern.compile("['\"$]|--|/\\*");

  private static final Pattern POSTGRES_END =
      Pattern.compile(";\\s*+END\\s*+(?:;|$|WORK\\b|TRANSACTION\\b|AND\\b)", FLAGS);

  /** The body of a function, which ends with END. */
  private static final Pattern POSTGRES_BODY = Pattern.compile("\\bBEGIN\\s++ATOMIC\\b", FLAGS);

  private static final Pattern POSTGRES_WORD =
      Pattern.compile("\\b(?:COMMIT|ABORT|ROLLBACK|PREPARE\\s++TRANSACTION)\\b", FLAGS);

  private static final Pattern POSTGRES_END_WORD = Pattern.compile("\\bEND\\b", FLAGS);

  private static final Pattern SEVERAL = Pattern.compile(";\\s*+\\S");

  /**
   * Before a statement; the server runs what is in comments that begin with an exclamation mark.
   */
  private static final Pattern MYSQL_COMMENT =
      Pattern.compile(
          "\\s++|#[^\\n]*+|--(?=[\\s\\p{Cntrl}]|\\z)[^\\n]*+|/\\*(?!M?!)(?s:.*?)\\*/|/\\*M?!\\d*+");

  /** At the beginning. What is only in MariaDB's or in MySQL's SQL fails in the other's anyway. */
  private static final Pattern MYSQL =
      Pattern.compile(
          "COMMIT\\b|ROLLBACK\\b(?!\\s++(?:WORK\\s++)?TO\\b)"
              + "|(?:START\\s++TRANSACTION|TRUNCATE|RENAME|GRANT|REVOKE|ALTER|FLUSH|RESET)\\b"
              + "|(?:CREATE|DROP)\\s++(?!(?:OR\\s++REPLACE\\s++)?(?:TEMPORARY|PREPARE)\\b)"
              + "|BEGIN\\b(?!\\s++NOT\\b)"
              + "|(?:ANALYZE|OPTIMIZE|CHECK|REPAIR)\\s++"
              + "(?:(?:LOCAL|NO_WRITE_TO_BINLOG)\\s++)?TABLES?\\b"
              + "|(?:CACHE|LOAD)\\s++INDEX\\b|(?:UN)?INSTALL\\s++(?:PLUGIN|SONAME|COMPONENT)\\b"
              + "|SET\\s++(?:PASSWORD|DEFAULT\\s++ROLE)\\b",
          FLAGS);

  private static final String MYSQL_END =
      "(?:COMMIT\\b|ROLLBACK\\b(?!\\s++(?:WORK\\s++)?TO\\b)|START\\s++TRANSACTION\\b)";

  /** Statements in a text. */
  private static final Pattern MYSQL_TEXT =
      Pattern.compile(
          "(?:EXECUTE\\s++IMMEDIATE|PREPARE\\s++\\w++\\s++FROM)\\s*+['\"]\\s*+" + MYSQL_END, FLAGS);

  private static final Pattern MYSQL_FRAME =
      Pattern.compile("(?:BEGIN\\s++NOT\\s++ATOMIC|IF|SET\\s++STATEMENT)\\b", FLAGS);

  private static final Pattern MYSQL_FRAMED =
      Pattern.compile("(?:;|\\b(?:FOR|THEN|ELSE|ATOMIC))\\s*+" + MYSQL_END, FLAGS);

  private HiddenEnd() {}

  static boolean isIn(String sql, boolean isMySql) {
    return isMySql
        ? isInMySql(sql)
        : POSTGRES_END.matcher(sql).find()
            && !QUOTING.matcher(sql).find()
            && !POSTGRES_BODY.matcher(sql).find();
  }

  private static boolean isInMySql(String sql) {
    var comment = MYSQL_COMMENT.matcher(sql);
    int begin = 0;
    while (comment.region(begin, sql.length()).lookingAt()) {
      begin = comment.end();
    }
    var statement = MYSQL.matcher(sql).region(begin, sql.length());
    return statement.lookingAt()
        || statement.usePattern(MYSQL_TEXT).lookingAt()
        || (statement.usePattern(MYSQL_FRAME).lookingAt()
            && !QUOTING.matcher(sql).find()
            && MYSQL_FRAMED.matcher(sql).region(begin, sql.length()).find());
  }

  /** Whether SQL of PostgreSQL may end its transaction and begin another in the same call. */
  static boolean mayBeIn(String sql) {
    return POSTGRES_WORD.matcher(sql).find()
        || (POSTGRES_END_WORD.matcher(sql).find() && SEVERAL.matcher(sql).find());
  }
}
