package parley;

import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Runs checks one after the other and counts how they went. */
final class Checks {
  interface Body {
    void run() throws Exception;
  }

  private static final long LIMIT = 120; // seconds for one check

  private final ExecutorService threads = Executors.newCachedThreadPool(task -> {
    Thread thread = new Thread(task);
    thread.setDaemon(true);
    return thread;
  });
  private int passed;
  private int failed;

  void check(String name, Body body) throws InterruptedException {
    Future<?> running = threads.submit((Callable<Void>) () -> {
      body.run();
      return null;
    });
    Throwable failure = null;
    try {
      running.get(LIMIT, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      failure = e.getCause();
    } catch (java.util.concurrent.TimeoutException e) {
      running.cancel(true);
      failure = e;
    }
    if (failure == null) {
      passed++;
      return;
    }
    failed++;
    System.out.println("FAILED: " + name);
    failure.printStackTrace(System.out);
  }

  /** Says how it went; returns the exit code. */
  int end() {
    System.out.println(passed + " passed, " + failed + " failed");
    return failed > 0 || passed == 0 ? 1 : 0;
  }

  static void equal(Object got, Object want) {
    if (!Objects.equals(got, want)) {
      throw new AssertionError("got " + got + ", want " + want);
    }
  }

  /** Fails unless act fails with an error of this kind and sentence. */
  static void failsWith(Class<? extends Throwable> kind, String sentence, Body act) {
    try {
      act.run();
    } catch (Throwable e) {
      equal(e.getMessage(), sentence);
      equal(kind.isInstance(e), true);
      return;
    }
    throw new AssertionError("it did not fail; want " + sentence);
  }
}
