package parley;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeoutException;

/** Keeps what comes, in order, and lets a check wait for what is still to come. */
final class Inbox<T> {
  private static final long DEADLINE = 15_000_000_000L; // nanoseconds

  private final List<T> items = new ArrayList<>();

  synchronized void put(T item) {
    items.add(item);
    notifyAll();
  }

  synchronized List<T> items() {
    return new ArrayList<>(items);
  }

  /** Returns all items once there are n of them. */
  List<T> counts(int n) throws Exception {
    return counts(n, DEADLINE);
  }

  synchronized List<T> counts(int n, long nanoseconds) throws Exception {
    long end = System.nanoTime() + nanoseconds;
    while (items.size() < n) {
      long left = end - System.nanoTime();
      if (left <= 0) {
        throw new TimeoutException(items.size() + " of " + n + " items: " + items);
      }
      wait(left / 1_000_000 + 1);
    }
    return items();
  }
}
