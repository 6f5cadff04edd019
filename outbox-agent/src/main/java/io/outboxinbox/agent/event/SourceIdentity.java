package io.outboxinbox.agent.event;

/**
 * The stream of events one agent leads: whoever publishes for the same identity fences the others,
 * whatever its name, host or slot.
 *
 * @param systemId PostgreSQL's cluster identifier, so that a copy of the database set up elsewhere
 *     is another source
 * @param database name
 * @param publication name
 */
public record SourceIdentity(String systemId, String database, String publication) {

  /** The identity as one string: key of the position and root of the transactional id. */
  public String id() {
    return systemId + "/" + database + "/" + publication;
  }

  /** The stream of the same names on another cluster. */
  public SourceIdentity onCluster(String otherSystemId) {
    return new SourceIdentity(otherSystemId, database, publication);
  }
}
