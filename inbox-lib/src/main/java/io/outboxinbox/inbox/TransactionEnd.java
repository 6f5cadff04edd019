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
  private static final String IN_EITHER =
      "(?:COMMIT|ABORT|ROLLBACK(?!\\s+(?:WORK\\s+|TRANSACTION\\s+)?TO\\b))\\b";

  private static final Pattern SUSPECT =
      Pattern.compile("COMMIT|ABORT|ROLLBACK|END|PREPARE\\s+TRANSACTION", FLAGS);

  private static final Pattern POSTGRES =
      Pattern.compile(
          STATEMENT
              + "(?:"
              + IN_EITHER
              + "|PREPARE\\s+TRANSACTION\\b)|^\\s*+END\\s*+(?:;|$|WORK\\b|TRANSACTION\\b|AND\\b)",
          FLAGS);

  /** Also what commits by itself; statements about temporary tables do not. */
  private static final Pattern MYSQL =
      Pattern.compile(
          STATEMENT
              + "(?:"
              + IN_EITHER
              + "|(?:START\\s+TRANSACTION|TRUNCATE|RENAME|GRANT|REVOKE|LOCK|ALTER)\\b"
              + "|BEGIN\\b(?!\\s+NOT\\b)"
              + "|(?:CREATE|DROP)\\s+(?!(?:OR\\s+REPLACE\\s+)?(?:TEMPORARY|PREPARE)\\b)"
              + "|SET\\s+(?:@@)?(?:SESSION\\s+|LOCAL\\s+)?(?:SESSION\\.)?AUTOCOMMIT\\b)",
          FLAGS);

  private TransactionEnd() {}

  /** A text in which a quote is also told by a backslash before it. */
  private static String backslashed(char quote) {
    String plain = "[^\\\\" + quote + "]*+";
    String other = "(?:(?:\\\\(?s:.)|" + quote + quote + ")" + plain + ")*+";
    return quote + plain + other + quote;
  }

  /** PostgreSQL's lie in each other. */
  private static String comment(int depth) {
    String inner = depth == 1 ? "" : "|" + comment(depth - 1);
    return "/\\*(?:[^/*]++|/(?!\\*)|\\*(?!/)" + inner + ")*+\\*/";
  }

  /** When in doubt, no: a message in which there is nothing wrong would be refused each time. */
  static boolean isIn(String sql, boolean isMySql) {
    if (!isMySql && !SUSPECT.matcher(sql).find()) {
      return false;
    }
    Pattern ends = isMySql ? MYSQL : POSTGRES;
    List<Pattern> ways = isMySql ? QUOTED_IN_MYSQL : QUOTED_IN_POSTGRES;
    // Without a backslash all of them read the same.
    return ways.stream()
        .limit(sql.indexOf('\\') < 0 ? 1 : ways.size())
        .allMatch(quoted -> ends.matcher(quoted.matcher(sql).replaceAll(" ")).find());
  }
}
