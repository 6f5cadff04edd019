package io.outboxinbox.agent.observe;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** What a request gets back. */
record Page(int status, String contentType, String body) {
  static final int OK = 200;
  static final int BAD_REQUEST = 400;
  static final int NOT_FOUND = 404;
  static final int UNAVAILABLE = 503;

  /** A tree as JSON, broken into lines for people. */
  static Page json(ObjectMapper mapper, ObjectNode tree) {
    try {
      String body = mapper.writerWithDefaultPrettyPrinter().writeValueAsString(tree);
      return new Page(OK, "application/json", body + "\n");
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a tree cannot be written as JSON", e);
    }
  }

  static Page text(int status, String body) {
    return new Page(status, "text/plain; charset=utf-8", body);
  }
}
