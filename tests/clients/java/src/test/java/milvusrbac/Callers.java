package milvusrbac;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** Calls that go on side by side, each one after the other, until they are told to stop. */
final class Callers {
    /** Makes a call; it is given its number. */
    interface Call {
        void make(int number) throws Exception;
    }

    private static final Duration LIMIT = Duration.ofSeconds(30);

    private final Map<String, AtomicInteger> done = new LinkedHashMap<>();
    private final Map<String, Thread> threads = new LinkedHashMap<>();
    private volatile boolean stopped;
    private volatile Throwable failure;

    Callers(Map<String, Call> calls) {
        calls.forEach((name, call) -> {
            AtomicInteger count = new AtomicInteger();
            Thread thread = new Thread(() -> run(call, count), name);
            thread.setDaemon(true);
            done.put(name, count);
            threads.put(name, thread);
        });
        threads.values().forEach(Thread::start);
    }

    private void run(Call call, AtomicInteger count) {
        try {
            while (!stopped) {
                call.make(count.get());
                count.incrementAndGet();
            }
        } catch (Exception | AssertionError e) {
            failure = e;
        }
    }

    /** How many calls of a name were answered. */
    int done(String name) {
        return done.get(name).get();
    }

    /** Waits until each was answered so many times more. */
    void goOn(int calls) throws InterruptedException {
        Map<String, Integer> goals = new LinkedHashMap<>();
        done.forEach((name, count) -> goals.put(name, count.get() + calls));
        Instant until = Instant.now().plus(LIMIT);
        for (Map.Entry<String, Integer> goal : goals.entrySet()) {
            while (done(goal.getKey()) < goal.getValue()) {
                check();
                assertTrue(Instant.now().isBefore(until), () -> goal.getKey() + " does not go on");
                TimeUnit.MILLISECONDS.sleep(5);
            }
        }
    }

    /** Lets the last calls end, and fails if one did. */
    void stop() throws InterruptedException {
        stopped = true;
        for (Thread thread : threads.values()) {
            thread.join(LIMIT.toMillis());
            assertTrue(!thread.isAlive(), () -> thread.getName() + " does not end");
        }
        check();
    }

    private void check() {
        if (failure != null) {
            throw new AssertionError("a call failed", failure);
        }
    }
}
