package io.outboxinbox.agent.observe;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** What a request gets back. */
record Page(int status, String contentType, String body) {
  static final int OK = 200;
  static final int BAD_REQUEST = 400;
  static final int NOT_FOUND = 404;
  static final int UNAVAILABLE = 503;

  /** A tree or record as JSON, broken into lines for people. */
  static Page json(ObjectMapper mapper, Object tree) {
    try {
      String body = mapper.writerWithDefaultPrettyPrinter().writeValueAsString(tree);
      return new Page(OK, "application/json", body + "\n");
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a tree cannot be written as JSON", e);
    }
  }

  /** A file beside this class, for browsers. */
  static Page file(String name, String contentType) {
    try (@Nullable InputStream file = Page.class.getResourceAsStream(name)) {
      byte[] bytes = Objects.requireNonNull(file, name).readAllBytes();
      return new Page(OK, contentType, new String(bytes, StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Page text(int status, String body) {
    return new Page(status, "text/plain; charset=utf-8", body);
  }
}
