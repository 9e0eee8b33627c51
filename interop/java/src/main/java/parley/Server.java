package parley;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A testserver of our own; TESTSERVER in the environment is its binary. */
final class Server {
  final String url;
  private final Process process;
  private final StringBuffer log = new StringBuffer();
  private final Thread reader;

  Server(String... args) throws IOException {
    List<String> command = new ArrayList<>(List.of(System.getenv("TESTSERVER")));
    command.addAll(List.of(args));
    process = new ProcessBuilder(command).start();
    Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
    reader = new Thread(this::readLog);
    reader.start();
    String line = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8)).readLine();
    Matcher found = Pattern.compile("testserver: (http://\\S+)/").matcher(String.valueOf(line));
    if (!found.matches()) {
      process.destroyForcibly();
      throw new IOException("no address but " + line + ": " + log);
    }
    url = found.group(1);
  }

  private void readLog() {
    process.errorReader(StandardCharsets.UTF_8).lines().forEach(line -> log.append(line).append('\n'));
  }

  /** Ends the server, which is to leave nothing behind and to have met no data race. */
  void stop() throws Exception {
    process.toHandle().destroy(); // Process.destroy would close the log, too
    if (!process.waitFor(60, TimeUnit.SECONDS)) { // it gives itself 45
      process.destroyForcibly();
      throw new IOException("the server does not end:\n" + log);
    }
    reader.join(10_000);
    boolean broken = Pattern.compile("DATA RACE|^panic:|^fatal error:", Pattern.MULTILINE).matcher(log).find();
    if (process.exitValue() != 0 || broken) {
      throw new IOException("the server ended with " + process.exitValue() + ":\n" + log);
    }
  }
}
