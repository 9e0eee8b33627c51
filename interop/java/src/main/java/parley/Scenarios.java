package parley;

import static parley.Checks.equal;
import static parley.Checks.failsWith;

import com.microsoft.signalr.HttpHubConnectionBuilder;
import com.microsoft.signalr.HttpRequestException;
import com.microsoft.signalr.HubConnectionState;
import com.microsoft.signalr.HubException;
import com.microsoft.signalr.TransportEnum;
import io.reactivex.rxjava3.core.Observable;
import io.reactivex.rxjava3.core.Single;
import io.reactivex.rxjava3.disposables.Disposable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** What passes by every transport. */
final class Scenarios {
  private final Server server;
  private final TransportEnum transport;
  private final String named;

  Scenarios(Server server, TransportEnum transport, String named) {
    this.server = server;
    this.transport = transport;
    this.named = named;
  }

  void run(Checks all) throws InterruptedException {
    if (transport == TransportEnum.WEBSOCKETS) {
      all.check(named + ": connects without negotiation", this::skipsNegotiation);
    }
    all.check(named + ": connects", this::connects);
    all.check(named + ": results come back as they went", this::results);
    all.check(named + ": large messages", this::largeMessages);
    all.check(named + ": many calls at once each get their own answer", this::manyCalls);
    all.check(named + ": failures come in SignalR's own sentences", this::failures);
    all.check(named + ": send waits for no answer", this::send);
    all.check(named + ": events reach every connection in one order", this::events);
    all.check(named + ": groups", this::groups);
    all.check(named + ": streams run to their end", this::streams);
    all.check(named + ": a stream that fails says so", this::failingStreams);
    all.check(named + ": a disposed stream is cancelled on the hub", this::disposedStream);
    all.check(named + ": uploads", this::uploads);
    all.check(named + ": the hub asks, the client answers", this::questions);
    all.check(named + ": a question nobody handles fails the call that asked", this::unhandledQuestion);
    all.check(named + ": a goodbye of the hub closes without an error", this::goodbye);
    all.check(named + ": a cut connection closes, and can be started again", this::cut);
    all.check(named + ": a message over the limit closes with an error", this::oversize);
    all.check(named + ": who is refused gets the reason", this::refused);
    all.check(named + ": tokens and headers", this::tokens);
    all.check(named + ": negotiations lead elsewhere, with a token for there", this::redirected);
    all.check(named + ": a negotiation that is refused says why", this::refusedNegotiation);
    all.check(named + ": without a token it stays outside", this::noToken);
    all.check(named + ": pings of both sides keep a quiet connection", this::pings);
  }

  private Client client(String path, Consumer<HttpHubConnectionBuilder> options) {
    return new Client(server.url + path, transport, options);
  }

  private Client client() {
    return client("/signalr", options -> {});
  }

  private void connects() throws Exception {
    Client client = client("/signalr?name=Ann", options -> {});
    Inbox<String> welcome = client.hears("welcome");
    client.start();
    Map<String, String> me = client.me();
    equal(welcome.counts(1), List.of(me.get("id")));
    equal(me.get("id"), client.connection.getConnectionId());
    equal(me.get("transport"), named);
    equal(me.get("protocol"), "json");
    equal(me.get("name"), "Ann");
    client.close();
    equal(client.closed.counts(1), List.of(Optional.empty()));
    equal(client.connection.getConnectionState(), HubConnectionState.DISCONNECTED);
  }

  private void skipsNegotiation() {
    try (Client client = client("/signalr", builder -> builder.shouldSkipNegotiate(true)).start()) {
      equal(client.call(String.class, "echo", "hi"), "hi");
    }
  }

  private void results() {
    try (Client client = client().start()) {
      for (String text : List.of("", "Grüße, 世界 👋", "\u2028<&>\"\\")) {
        equal(client.call(String.class, "echo", text), text);
      }
      equal(client.call(Integer.class, "echo", 0), 0);
      equal(client.call(Double.class, "echo", -1.5), -1.5);
      equal(client.call(Boolean.class, "echo", true), true);
      equal(client.call(List.class, "echo", List.of(true, List.of("a"))), List.of(true, List.of("a")));
      equal(client.call(Map.class, "echo", Map.of("a", Map.of("b", "c"))), Map.of("a", Map.of("b", "c")));
      equal(client.call(Integer.class, "add", 20, 22), 42);
      equal(client.call(Integer.class, "ADD", 20, 22), 42);
      client.call("nothing");
    }
  }

  private void largeMessages() {
    try (Client client = client().start()) {
      equal(client.call(String.class, "big", 1 << 20), "x".repeat(1 << 20));
      String text = "ä".repeat(15_000); // two bytes each
      equal(client.call(String.class, "echo", text), text);
    }
  }

  private void manyCalls() {
    try (Client client = client().start()) {
      List<Single<Integer>> calls = IntStream.range(0, 500)
          .mapToObj(i -> client.connection.invoke(Integer.class, "add", i, i)).collect(Collectors.toList());
      List<Integer> answers = calls.stream().map(Single::blockingGet).collect(Collectors.toList());
      equal(answers, IntStream.range(0, 500).mapToObj(i -> 2 * i).collect(Collectors.toList()));
    }
  }

  private void failures() {
    try (Client client = client().start()) {
      failsWith(HubException.class, "Failed to invoke 'nope' due to an error on the server. HubException: Method does not exist.",
          () -> client.call("nope"));
      failsWith(HubException.class, "An unexpected error occurred invoking 'fail' on the server. HubException: No luck today.",
          () -> client.call("fail", "No luck today."));
      failsWith(HubException.class, "An unexpected error occurred invoking 'broken' on the server.",
          () -> client.call("broken"));
      failsWith(HubException.class, "Failed to invoke 'add' due to an error on the server.",
          () -> client.call(Integer.class, "add", "one"));
      failsWith(HubException.class, "The client attempted to invoke the streaming 'count' method with a non-streaming invocation.",
          () -> client.call("count", 3));
      equal(client.call(String.class, "echo", "still here"), "still here");
    }
  }

  private void send() throws Exception {
    try (Client client = client()) {
      Inbox<List<String>> told = client.hearsTwo("told");
      client.start();
      client.connection.send("nobody answers to this", 1);
      client.connection.send("add", "not a number");
      client.connection.send("tell", "first");
      client.connection.send("tell", "second");
      Stream<String> texts = told.counts(2).stream().map(args -> args.get(1));
      if (transport == TransportEnum.LONG_POLLING) {
        texts = texts.sorted(); // the client posts both at the same time
      }
      equal(texts.collect(Collectors.toList()), List.of("first", "second"));
    }
  }

  private void events() throws Exception {
    List<Client> clients = List.of(client(), client(), client());
    List<Inbox<List<String>>> heard = clients.stream().map(c -> c.hearsTwo("told")).collect(Collectors.toList());
    clients.forEach(Client::start);
    for (int i = 0; i < 100; i++) {
      for (Client client : clients) {
        client.connection.send("tell", String.valueOf(i));
      }
    }
    for (Inbox<List<String>> inbox : heard) {
      equal(inbox.counts(300).size(), 300);
    }
    equal(heard.get(1).items(), heard.get(0).items());
    equal(heard.get(2).items(), heard.get(0).items());
    clients.forEach(Client::close);
  }

  private void groups() throws Exception {
    try (Client ann = client(); Client ben = client()) {
      Inbox<List<String>> heardByAnn = ann.hearsTwo("shouted");
      Inbox<List<String>> heardByBen = ben.hearsTwo("shouted");
      ann.start();
      ben.start();
      ann.call("join", "lobby");
      ben.call("shout", "lobby", "for Ann");
      ben.call("join", "lobby");
      ann.call("shout", "lobby", "for both");
      ann.call("whisper", "lobby", "for Ben");
      ann.call("leave", "lobby");
      ben.call("shout", "lobby", "for Ben alone");
      equal(heardByBen.counts(3),
          List.of(List.of("lobby", "for both"), List.of("lobby", "for Ben"), List.of("lobby", "for Ben alone")));
      ann.call("nothing");
      equal(heardByAnn.items(), List.of(List.of("lobby", "for Ann"), List.of("lobby", "for both")));
    }
  }

  private void streams() {
    try (Client client = client().start()) {
      equal(client.stream("count", 0), List.of());
      equal(client.stream("count", 500), IntStream.rangeClosed(1, 500).boxed().collect(Collectors.toList()));
    }
  }

  private void failingStreams() {
    try (Client client = client().start()) {
      failsWith(HubException.class, "An error occurred on the server while streaming results. HubException: stumbled after 2",
          () -> client.stream("stumble", 2));
      failsWith(HubException.class, "The client attempted to invoke the non-streaming 'echo' method with a streaming invocation.",
          () -> client.stream("echo", 1));
    }
  }

  private void disposedStream() throws Exception {
    try (Client client = client()) {
      Inbox<String> cancelled = client.hears("cancelled");
      Inbox<Integer> items = new Inbox<>();
      client.start();
      Disposable stream = client.connection.stream(Integer.class, "endless", "mine").subscribe(items::put);
      equal(items.counts(1), List.of(0));
      stream.dispose();
      equal(cancelled.counts(1), List.of("mine"));
    }
  }

  private void uploads() {
    if (transport == TransportEnum.LONG_POLLING) {
      return; // the client posts all items and the end at the same time, and they arrive in any order
    }
    try (Client client = client().start()) {
      equal(client.call(Integer.class, "sum", Observable.range(1, 100)), 5050);
      equal(client.call(List.class, "zip", "-", Observable.just("a", "b", "c"), Observable.just("1", "2")), List.of("a-1", "b-2"));
      equal(client.stream("doubled", Observable.range(1, 3)), List.of(2, 4, 6));
      equal(client.call(Integer.class, "sum", Observable.empty()), 0);
      failsWith(HubException.class,
          "An unexpected error occurred invoking 'sum' on the server. HubException: java.lang.IllegalStateException: no more",
          () -> client.call(Integer.class, "sum", Observable.error(new IllegalStateException("no more"))));
    }
  }

  private void questions() {
    try (Client client = client()) {
      List<String> asked = new ArrayList<>();
      client.connection.onWithResult("confirm", question -> {
        asked.add(question);
        if (question.equals("fail")) {
          return Single.error(new IllegalStateException("I would rather not"));
        }
        return Single.just(question.equals("Sure?"));
      }, String.class);
      client.start();
      equal(client.call(Boolean.class, "ask", "Sure?"), true);
      equal(client.call(Boolean.class, "ask", "Really?"), false);
      failsWith(HubException.class, "An unexpected error occurred invoking 'ask' on the server. HubException: I would rather not",
          () -> client.call(Boolean.class, "ask", "fail"));
      equal(asked, List.of("Sure?", "Really?", "fail"));
    }
  }

  private void unhandledQuestion() {
    try (Client client = client().start()) {
      failsWith(HubException.class,
          "An unexpected error occurred invoking 'ask' on the server. HubException: Client failed to parse argument(s).",
          () -> client.call(Boolean.class, "ask", "anyone?"));
    }
  }

  private void goodbye() throws Exception {
    try (Client client = client().start()) {
      client.connection.send("kick", true);
      Optional<String> why = client.closed.counts(1).get(0).map(Throwable::getMessage);
      if (transport == TransportEnum.LONG_POLLING && why.isPresent()) {
        equal(why.get(), "Unexpected response code 404."); // the client's last poll and its DELETE are under way at the same time
        return;
      }
      equal(why, Optional.empty());
    }
  }

  private void cut() throws Exception {
    try (Client client = client()) {
      Inbox<String> welcome = client.hears("welcome");
      client.start();
      client.connection.send("kick", false);
      client.closed.counts(1);
      client.start();
      List<String> ids = welcome.counts(2);
      equal(ids.get(0).equals(ids.get(1)), false);
      equal(client.me().get("id"), ids.get(1));
    }
  }

  private void oversize() throws Exception {
    try (Client client = client().start()) {
      client.connection.send("echo", "x".repeat(65_536));
      endsWith(client, "Connection closed with an error.");
    }
  }

  /** The hub's last word ends a connection; over long polling the client may be told first that it is over, as it polls on while it reads. */
  private void endsWith(Client client, String sentence) throws Exception {
    Optional<String> why = client.closed.counts(1).get(0).map(Throwable::getMessage);
    if (transport != TransportEnum.LONG_POLLING || why.isPresent()) {
      equal(why, Optional.of(sentence));
    }
  }

  private void refused() throws Exception {
    Client client = client("/signalr?refuse=closed+today", options -> {});
    client.connection.start().onErrorComplete().blockingAwait(); // the refusal may overtake start or follow it
    endsWith(client, "Connection closed with an error. HubException: closed today");
  }

  private void tokens() throws Exception {
    Consumer<HttpHubConnectionBuilder> options =
        builder -> builder.withAccessTokenProvider(Single.just("ann")).withHeader("X-Test", "yes");
    try (Client client = client("/private/signalr", options)) {
      Inbox<String> paged = client.hears("paged");
      client.start();
      Map<String, String> me = client.me();
      equal(List.of(me.get("user"), me.get("header"), me.get("cookie")), List.of("ann", "yes", "for-ann"));
      client.call("page", "ann", "psst");
      equal(paged.counts(1), List.of("psst"));
    }
  }

  private void redirected() {
    try (Client client = client("/signalr/moved?name=Ann", options -> {}).start()) {
      Map<String, String> me = client.me();
      equal(List.of(me.get("user"), me.get("name")), List.of("ann", "Ann"));
      equal(client.call(String.class, "describe").contains("\"path\":\"/signalr/guarded\""), true);
    }
  }

  private void refusedNegotiation() {
    Client client = client("/signalr/closed", options -> {});
    failsWith(RuntimeException.class, "Closed for today.", client::start);
  }

  private void noToken() {
    Client client = client("/private/signalr", options -> {});
    failsWith(HttpRequestException.class, "Unexpected status code returned from negotiate: 401 Unauthorized.", client::start);
  }

  private void pings() throws Exception {
    Consumer<HttpHubConnectionBuilder> options = builder -> builder.withKeepAliveInterval(300).withServerTimeout(4_000);
    try (Client client = client("/signalr", options).start()) {
      Thread.sleep(5_000); // longer than either side waits for the other
      equal(client.call(String.class, "echo", "still here"), "still here");
      equal(client.closed.items(), List.of());
    }
  }
}
