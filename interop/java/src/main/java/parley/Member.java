package parley;

import com.microsoft.signalr.TransportEnum;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A member of a room: see interop/signalr/room.test.mjs.
 *
 * <pre>Member URL TRANSPORT PROTOCOL NAME MESSAGES ALL</pre>
 */
public final class Member {
  private static final long PATIENCE = 60_000_000_000L; // nanoseconds

  public static void main(String[] args) throws Exception {
    TransportEnum transport = args[1].equals("polling") ? TransportEnum.LONG_POLLING : TransportEnum.WEBSOCKETS;
    String name = args[3];
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    Client client = new Client(args[0], transport, options -> {});
    Inbox<List<String>> heard = client.hearsTwo("shouted");
    client.start();
    client.call("join", "room");
    System.out.println("ready");
    in.readLine();
    for (int i = 0; i < Integer.parseInt(args[4]); i++) {
      if (transport == TransportEnum.LONG_POLLING) {
        client.call("shout", "room", name + " " + i); // it posts what it sends all at once
      } else {
        client.connection.send("shout", "room", name + " " + i);
      }
    }
    System.out.println(heard.counts(Integer.parseInt(args[5]), PATIENCE).stream()
        .map(message -> '"' + message.get(1) + '"').collect(Collectors.joining(",", "[", "]")));
    in.readLine(); // the end
    client.close();
    System.exit(0);
  }

  private Member() {}
}
