package parley;

import com.microsoft.signalr.TransportEnum;

/** Runs Microsoft's Java client against a hub, in every way it can connect. */
public final class Main {
  public static void main(String[] args) throws Exception {
    Server server = new Server("--keepalive", "200ms", "--idle", "3s");
    Checks checks = new Checks();
    new Scenarios(server, TransportEnum.WEBSOCKETS, "websocket").run(checks);
    new Scenarios(server, TransportEnum.LONG_POLLING, "polling").run(checks);
    checks.check("takes the first transport that the endpoint offers", () -> {
      for (String[] offer : new String[][] {{"/signalr", "websocket"}, {"/signalr/polling", "polling"}}) {
        try (Client client = new Client(server.url + offer[0], TransportEnum.ALL, options -> {}).start()) {
          Checks.equal(client.call(String.class, "transport"), offer[1]);
        }
      }
    });
    server.stop();
    System.exit(checks.end());
  }

  private Main() {}
}
