package io.outboxinbox.inbox;

import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Knows SQL that ends the transaction it runs in. A first look, so that it is refused before it has
 * done harm; what is hidden in routines or behind quotes that we do not know is noticed afterwards.
 */
final class TransactionEnd {
  private static final int FLAGS = Pattern.CASE_INSENSITIVE;

  private static final String PLAIN = "'[^']*+'";
  private static final String PLAIN_DOUBLE = "\"[^\"]*+\"";
  private static final String BACKSLASHED = backslashed('\'');

  /** What may be before a quote that belongs to a name. */
  private static final String NO_NAME = "(?<![\\w$])";

  /** Names, comments and, of whatever tag, texts between dollars. */
  private static final String MORE_OF_POSTGRES =
      "|"
          + PLAIN_DOUBLE
          + "|--[^\\n\\r]*+|"
          + comment(4)
          + "|"
          + NO_NAME
          + "\\$((?:[\\p{L}_][\\p{L}\\p{N}_]*+)?+)\\$(?s:.*?)\\$\\1\\$";

  private static final String MORE_OF_MYSQL =
      "|`[^`]*+`|--(?=[\\s\\p{Cntrl}]|\\z)[^\\n]*+|#[^\\n]*+|/\\*(?s:.*?)\\*/";

  /**
   * What is quoted, in all ways to read it: standard_conforming_strings is on, or it is off. All
   * that repeats is possessive, so that long texts need no stack; a quote that is doubled begins
   * another text.
   */
  private static final List<Pattern> QUOTED_IN_POSTGRES =
      Stream.of(NO_NAME + "[eE]" + BACKSLASHED + "|" + PLAIN, BACKSLASHED)
          .map(texts -> Pattern.compile(texts + MORE_OF_POSTGRES))
          .toList();

  /** The same for SQL modes: the default, NO_BACKSLASH_ESCAPES, ANSI_QUOTES. */
  private static final List<Pattern> QUOTED_IN_MYSQL =
      Stream.of(
              BACKSLASHED + "|" + backslashed('"'),
              PLAIN + "|" + PLAIN_DOUBLE,
              BACKSLASHED + "|" + PLAIN_DOUBLE)
          .map(texts -> Pattern.compile(texts + MORE_OF_MYSQL))
          .toList();

  private static final String STATEMENT = "(?:^|;)\\s*+";

  private static final Pattern SUSPECT =
      Pattern.compile("COMMIT|ABORT|ROLLBACK|END|PREPARE", FLAGS);

  private static final String POSTGRES_WORDS = "(?:;|$|WORK\\b|TRANSACTION\\b|AND\\b)";

  private static final Pattern POSTGRES =
      Pattern.compile(
          STATEMENT
              + "(?:COMMIT|ABORT|ROLLBACK(?!\\s+(?:WORK\\s+|TRANSACTION\\s+)?TO\\b)"
              + "|PREPARE\\s+TRANSACTION)\\b|^\\s*+END\\s*+"
              + POSTGRES_WORDS,
          FLAGS);

  /** Behind another statement; only where nothing is quoted, and so nothing can be misread. */
  private static final Pattern POSTGRES_END =
      Pattern.compile(";\\s*+END\\s*+" + POSTGRES_WORDS, FLAGS);

  private static final Pattern QUOTING = Pattern.compile("['\"$]|--|/\\*");

  /** The body of a function, which ends with END. */
  private static final Pattern POSTGRES_BODY = Pattern.compile("\\bBEGIN\\s++ATOMIC\\b", FLAGS);

  private static final Pattern POSTGRES_WORD =
      Pattern.compile("\\b(?:COMMIT|ABORT|ROLLBACK|PREPARE)\\b", FLAGS);

  private static final Pattern POSTGRES_END_WORD = Pattern.compile("\\bEND\\b", FLAGS);

  private static final Pattern SEVERAL = Pattern.compile(";\\s*+\\S");

  /** Not those that the server runs. Few, for each takes room on the stack. */
  private static final String MYSQL_GAP =
      "(?:\\s++|#[^\\n]*+|--(?=[\\s\\p{Cntrl}]|\\z)[^\\n]*+|/\\*(?!M?!)(?s:.*?)\\*/){1,20}+";

  private static final String MYSQL_END =
      spaced("(?:COMMIT\\b|ROLLBACK\\b(?! (?:WORK )?TO\\b)|START TRANSACTION\\b)");

  /**
   * Also what commits by itself; statements about temporary tables do not. What is only in
   * MariaDB's or in MySQL's SQL fails in the other's anyway.
   */
  private static final String MYSQL_STATEMENT =
      "(?:"
          + MYSQL_END
          + spaced(
              "|(?:ABORT|TRUNCATE|RENAME|GRANT|REVOKE|LOCK|ALTER|FLUSH|RESET)\\b"
                  + "|(?:CREATE|DROP) (?!(?:OR REPLACE )?(?:TEMPORARY|PREPARE)\\b)"
                  + "|BEGIN\\b(?! NOT\\b)"
                  + "|(?:ANALYZE|OPTIMIZE|CHECK|REPAIR) "
                  + "(?:(?:LOCAL|NO_WRITE_TO_BINLOG) )?TABLES?\\b"
                  + "|(?:CACHE|LOAD) INDEX\\b|(?:UN)?INSTALL (?:PLUGIN|SONAME|COMPONENT)\\b"
                  + "|SET (?:PASSWORD\\b|DEFAULT ROLE\\b"
                  // Off it is already.
                  + "|(?:@@)?(?:SESSION |LOCAL )?(?:SESSION\\.)?AUTOCOMMIT\\b"
                  + "(?!\\s*+:?=\\s*+(?:0|OFF|FALSE)\\b)))");

  private static final Pattern MYSQL = Pattern.compile(STATEMENT + MYSQL_STATEMENT, FLAGS);

  /**
   * Before a statement; the server runs what is in comments that begin with an exclamation mark.
   */
  private static final Pattern MYSQL_COMMENT =
      Pattern.compile(
          "\\s++|#[^\\n]*+|--(?=[\\s\\p{Cntrl}]|\\z)[^\\n]*+|/\\*(?!M?!)(?s:.*?)\\*/|/\\*M?!\\d*+");

  /** At the beginning, in the text as it is, or in a text within it. */
  private static final Pattern MYSQL_BEGIN =
      Pattern.compile(
          MYSQL_STATEMENT
              + "|(?:EXECUTE\\s++IMMEDIATE|PREPARE\\s++\\w++\\s++FROM)\\s*+['\"]\\s*+"
              + MYSQL_END,
          FLAGS);

  private static final Pattern MYSQL_FRAME =
      Pattern.compile("(?:BEGIN\\s++NOT\\s++ATOMIC|IF|SET\\s++STATEMENT)\\b", FLAGS);

  private static final Pattern MYSQL_FRAMED =
      Pattern.compile("(?:;|\\b(?:FOR|THEN|ELSE|ATOMIC))\\s*+" + MYSQL_END, FLAGS);

  /** Stored functions and triggers cannot commit, so this cannot either, whatever it calls. */
  private static final Pattern MYSQL_HARMLESS =
      Pattern.compile(
          "\\s*+(?:SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|SAVEPOINT|RELEASE|ROLLBACK)\\b", FLAGS);

  private TransactionEnd() {}

  /** A text in which a quote is also told by a backslash before it. */
  private static String backslashed(char quote) {
    String plain = "[^\\\\" + quote + "]*+";
    String other = "(?:(?:\\\\(?s:.)|" + quote + quote + ")" + plain + ")*+";
    return quote + plain + other + quote;
  }

  /** A pattern in which each blank stands for whatever may be between two words of MySQL's. */
  private static String spaced(String pattern) {
    return pattern.replace(" ", MYSQL_GAP);
  }

  /** PostgreSQL's lie in each other. */
  private static String comment(int depth) {
    String inner = depth == 1 ? "" : "|" + comment(depth - 1);
    return "/\\*(?:[^/*]++|/(?!\\*)|\\*(?!/)" + inner + ")*+\\*/";
  }

  /** When in doubt, no: a message in which there is nothing wrong would be refused each time. */
  static boolean isIn(String sql, boolean isMySql) {
    return isMySql
        ? isIn(sql, MYSQL, QUOTED_IN_MYSQL) || isAtItsBegin(sql)
        : (SUSPECT.matcher(sql).find() && isIn(sql, POSTGRES, QUOTED_IN_POSTGRES))
            || isBehindAnother(sql);
  }

  private static boolean isIn(String sql, Pattern ends, List<Pattern> ways) {
    // Without a backslash all of them read the same.
    return ways.stream()
        .limit(sql.indexOf('\\') < 0 ? 1 : ways.size())
        .allMatch(quoted -> ends.matcher(quoted.matcher(sql).replaceAll(" ")).find());
  }

  private static boolean isBehindAnother(String sql) {
    return POSTGRES_END.matcher(sql).find()
        && !QUOTING.matcher(sql).find()
        && !POSTGRES_BODY.matcher(sql).find();
  }

  private static boolean isAtItsBegin(String sql) {
    var comment = MYSQL_COMMENT.matcher(sql);
    int begin = 0;
    while (comment.region(begin, sql.length()).lookingAt()) {
      begin = comment.end();
    }
    var statement = MYSQL_BEGIN.matcher(sql).region(begin, sql.length());
    return statement.lookingAt()
        || (statement.usePattern(MYSQL_FRAME).lookingAt()
            && !QUOTING.matcher(sql).find()
            && MYSQL_FRAMED.matcher(sql).region(begin, sql.length()).find());
  }

  /**
   * Whether SQL may have committed although nobody has noticed. When in doubt, yes: it costs a
   * question to the database, and only where the transaction's end is not clear anyway.
   */
  static boolean mayBeIn(String sql, boolean isMySql) {
    return isMySql
        ? !MYSQL_HARMLESS.matcher(sql).lookingAt() || SEVERAL.matcher(sql).find()
        : POSTGRES_WORD.matcher(sql).find()
            || (POSTGRES_END_WORD.matcher(sql).find() && SEVERAL.matcher(sql).find());
  }
}
