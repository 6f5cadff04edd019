package io.outboxinbox.inbox;

import java.util.regex.Pattern;

/**
 * Knows SQL that ends the transaction it runs in. A first look, so that it is refused before it has
 * done harm; what is hidden in routines or behind quotes that we do not know is noticed afterwards.
 */
final class TransactionEnd {
  private static final int FLAGS = Pattern.CASE_INSENSITIVE;

  /**
   * Texts, names and comments. Possessive, so that long texts need no stack; a quote that is
   * doubled begins another text.
   */
  private static final Pattern QUOTED =
      Pattern.compile(
          "'[^']*+'|\"[^\"]*+\"|`[^`]*+`|--[^\\n]*+|/\\*(?s:.*?)\\*/"
              + "|\\$(\\w*+)\\$(?s:.*?)\\$\\1\\$");

  private static final String STATEMENT = "(?:^|;)\\s*+";
  private static final String ANYWHERE =
      "(?:COMMIT|ABORT|ROLLBACK(?!\\s+(?:WORK\\s+|TRANSACTION\\s+)?TO\\b))\\b";

  private static final Pattern SUSPECT =
      Pattern.compile("COMMIT|ABORT|ROLLBACK|END|PREPARE\\s+TRANSACTION", FLAGS);

  private static final Pattern POSTGRES =
      Pattern.compile(
          STATEMENT
              + "(?:"
              + ANYWHERE
              + "|PREPARE\\s+TRANSACTION\\b)|^\\s*+END\\s*+(?:;|$|WORK\\b|TRANSACTION\\b|AND\\b)",
          FLAGS);

  /** Also what commits by itself; statements about temporary tables do not. */
  private static final Pattern MYSQL =
      Pattern.compile(
          STATEMENT
              + "(?:"
              + ANYWHERE
              + "|(?:START\\s+TRANSACTION|TRUNCATE|RENAME|GRANT|REVOKE|LOCK|ALTER)\\b"
              + "|BEGIN\\b(?!\\s+NOT\\b)"
              + "|(?:CREATE|DROP)\\s+(?!(?:OR\\s+REPLACE\\s+)?(?:TEMPORARY|PREPARE)\\b)"
              + "|SET\\s+(?:@@)?(?:SESSION\\s+|LOCAL\\s+)?(?:SESSION\\.)?AUTOCOMMIT\\b)",
          FLAGS);

  private TransactionEnd() {}

  static boolean isIn(String sql, boolean isMySql) {
    if (!isMySql && !SUSPECT.matcher(sql).find()) {
      return false;
    }
    String bare = QUOTED.matcher(sql).replaceAll(" ");
    return (isMySql ? MYSQL : POSTGRES).matcher(bare).find();
  }
}
