package io.outboxinbox.agent.source.inspect;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.sql.SQLException;
import java.util.Base64;
import java.util.Map;

/**
 * A certificate that signs itself, as text for files.
 *
 * @param certificate also the authority to trust
 */
record TestCertificate(String certificate, String key) {
  private static final String PASSWORD = "changeit";

  /** Made with the JDK's own tool. */
  static TestCertificate of(Path folder, String dns, String ip) throws Exception {
    Path store = folder.resolve("keys.p12");
    Process tool =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                "server",
                "-keyalg",
                "RSA",
                "-dname",
                "CN=unused",
                "-ext",
                "SAN=dns:%s,ip:%s".formatted(dns, ip),
                "-validity",
                "2",
                "-keystore",
                store.toString(),
                "-storetype",
                "PKCS12",
                "-storepass",
                PASSWORD)
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("keytool.log").toFile())
            .start();
    if (tool.waitFor() != 0) {
      throw new IllegalStateException(Files.readString(folder.resolve("keytool.log")));
    }
    return read(store);
  }

  private static TestCertificate read(Path store) throws GeneralSecurityException, IOException {
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(store)) {
      keys.load(in, PASSWORD.toCharArray());
    }
    return new TestCertificate(
        pem("CERTIFICATE", keys.getCertificate("server").getEncoded()),
        pem("PRIVATE KEY", keys.getKey("server", PASSWORD.toCharArray()).getEncoded()));
  }

  private static String pem(String kind, byte[] der) {
    return "-----BEGIN %s-----\n%s\n-----END %1$s-----\n"
        .formatted(kind, Base64.getMimeEncoder(64, new byte[] {10}).encodeToString(der));
  }

  /** Has a running server use it; its own user writes the files, whoever that is. */
  void installOn(PreflightSource server) throws SQLException {
    for (Map.Entry<String, String> file :
        Map.of("server.crt", certificate, "server.key", key).entrySet()) {
      server.execute(
          "COPY (SELECT unnest(string_to_array('%s', E'\\n'))) TO PROGRAM 'umask 077; cat > %s'"
              .formatted(file.getValue(), file.getKey()));
    }
    server.execute("ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()");
  }
}
