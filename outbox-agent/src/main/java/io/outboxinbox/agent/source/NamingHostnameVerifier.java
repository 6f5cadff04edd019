package io.outboxinbox.agent.source;

import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import javax.net.ssl.HostnameVerifier;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;
import org.jspecify.annotations.Nullable;
import org.postgresql.ssl.PGjdbcHostnameVerifier;

/**
 * Decides as the driver's own verifier does, and says which names a certificate has that does not
 * fit. The driver makes it by its name.
 */
public final class NamingHostnameVerifier implements HostnameVerifier {

  /** Kinds of names (RFC 5280) that a host can be called by: DNS and IP address. */
  private static final Set<Integer> HOSTS = Set.of(2, 7);

  @Override
  public boolean verify(String host, SSLSession session) {
    if (PGjdbcHostnameVerifier.INSTANCE.verify(host, session)) {
      return true;
    }
    throw new NameMismatchException(names(session));
  }

  private static List<String> names(SSLSession session) {
    List<String> names = new ArrayList<>();
    try {
      X509Certificate certificate = (X509Certificate) session.getPeerCertificates()[0];
      @Nullable Collection<List<?>> alternatives = certificate.getSubjectAlternativeNames();
      if (alternatives != null) {
        alternatives.stream()
            .filter(name -> HOSTS.contains(name.get(0)))
            .forEach(name -> names.add(Objects.toString(name.get(1))));
      }
      if (names.isEmpty()) {
        names.add(certificate.getSubjectX500Principal().getName());
      }
    } catch (SSLPeerUnverifiedException | CertificateParsingException e) {
      names.add("unreadable (" + e.getMessage() + ")");
    }
    return names;
  }

  /** The certificate is another host's. */
  static final class NameMismatchException extends RuntimeException {
    private final List<String> names;

    NameMismatchException(List<String> names) {
      super("the certificate is for " + String.join(", ", names));
      this.names = List.copyOf(names);
    }

    /** As the certificate has them. */
    List<String> names() {
      return names;
    }
  }
}
