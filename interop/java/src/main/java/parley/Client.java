package parley;

import com.microsoft.signalr.HttpHubConnectionBuilder;
import com.microsoft.signalr.HubConnection;
import com.microsoft.signalr.HubConnectionBuilder;
import com.microsoft.signalr.TransportEnum;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** The client under test, and inboxes for what may happen to it. */
final class Client implements AutoCloseable {
  private static final long PATIENCE = 45; // seconds

  final HubConnection connection;
  final Inbox<Optional<Exception>> closed = new Inbox<>();

  Client(String url, TransportEnum transport, Consumer<HttpHubConnectionBuilder> options) {
    HttpHubConnectionBuilder builder = HubConnectionBuilder.create(url).withTransport(transport);
    options.accept(builder);
    connection = builder.build();
    connection.onClosed(why -> closed.put(Optional.ofNullable(why)));
  }

  Client start() {
    if (!connection.start().blockingAwait(PATIENCE, TimeUnit.SECONDS)) {
      throw new AssertionError("it does not connect");
    }
    return this;
  }

  /** Returns the inbox of an event with one text. */
  Inbox<String> hears(String event) {
    Inbox<String> inbox = new Inbox<>();
    connection.on(event, inbox::put, String.class);
    return inbox;
  }

  /** Returns the inbox of an event with two texts. */
  Inbox<List<String>> hearsTwo(String event) {
    Inbox<List<String>> inbox = new Inbox<>();
    connection.on(event, (first, second) -> inbox.put(List.of(first, second)), String.class, String.class);
    return inbox;
  }

  <T> T call(Class<T> result, String method, Object... args) {
    return connection.invoke(result, method, args).timeout(PATIENCE, TimeUnit.SECONDS).blockingGet();
  }

  void call(String method, Object... args) {
    connection.invoke(method, args).timeout(PATIENCE, TimeUnit.SECONDS).blockingAwait();
  }

  List<Integer> stream(String method, Object... args) {
    return connection.stream(Integer.class, method, args).timeout(PATIENCE, TimeUnit.SECONDS).toList().blockingGet();
  }

  @SuppressWarnings("unchecked")
  Map<String, String> me() {
    return call(Map.class, "me");
  }

  @Override
  public void close() {
    if (!connection.stop().blockingAwait(PATIENCE, TimeUnit.SECONDS)) {
      throw new AssertionError("it does not stop");
    }
  }
}
