package io.outboxinbox.agent.observe;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.regex.Pattern;

/** What the pages for people have in common. */
final class Html {
  private static final String TYPE = "text/html; charset=utf-8";

  private static final Pattern MOMENT =
      Pattern.compile("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ");

  /** No colour says anything that a word does not say too. */
  private static final String STYLE =
      """
      body{font:16px/1.4 sans-serif;margin:1em auto;max-width:76em;padding:0 1em}
      h1{font-size:1.5em;margin:.5em 0 0}h2{font-size:1.1em;margin:0}p{margin:.4em 0;overflow-wrap:anywhere}
      section{border:1px solid #ccc;border-left:.6em solid;padding:.6em 1em;margin:1em 0}
      .good{border-left-color:#393}.warn{border-left-color:#c80;background:#fff5d6}
      .bad{border-left-color:#c22;background:#fde3e3}.why{white-space:pre-line}.quiet{color:#555}
      dl{display:flex;flex-wrap:wrap;gap:.4em 2em;margin:.6em 0 0}dt{font-size:.8em;color:#555}dd{margin:0}
      .wide{overflow-x:auto}td,th{padding:.2em .8em .2em 0;text-align:left;vertical-align:top}
      td{overflow-wrap:anywhere;min-width:4em}td.id{min-width:9em}table+h2,div+h2{margin-top:1em}
      td.brief,time{white-space:nowrap}code{overflow-wrap:anywhere}
      @media(max-width:45em){.wide tr{display:block;padding:.3em 0;border-top:1px solid #ccc}.wide th{display:none}
      .wide td{display:inline}.wide td[title]::before{content:attr(title)" ";font-size:.8em;color:#555}}
      """;

  private Html() {}

  /**
   * A page.
   *
   * @param head more of its head, as markup
   * @param body as markup
   */
  static Page page(String title, String head, String body) {
    return new Page(
        Page.OK,
        TYPE,
        """
        <!doctype html><html lang="en"><head><meta charset="utf-8"><title>%s</title>
        <meta name="viewport" content="width=device-width">%s
        <style>
        %s</style></head><body>
        %s</body></html>
        """
            .formatted(escaped(title), head, STYLE, body));
  }

  static String escaped(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }

  /** With moments that no line breaks in two. */
  static String prose(String text) {
    return MOMENT.matcher(escaped(text)).replaceAll("<time>$0</time>");
  }

  /** In whole seconds: nobody reads more digits. */
  static Instant seconds(Instant moment) {
    return moment.truncatedTo(ChronoUnit.SECONDS);
  }
}
