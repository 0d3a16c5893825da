package milvusrbac;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.fail;

import io.milvus.shaded.io.grpc.Status;
import io.milvus.v2.client.ConnectConfig;
import io.milvus.v2.client.MilvusClientV2;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A running milvus-rbac. Its clients are closed before it is stopped. */
final class Server {
    static final String ROOT_PASSWORD = "Milvus";
    static final String PASSWORD = "password";

    private static final int START_SECONDS = 20;
    private static final int STOP_SECONDS = 10;

    private final Process process;
    private final Path log;
    private final BlockingQueue<String> lines = new LinkedBlockingQueue<>();
    private final String address;
    private final String admin;
    private final List<MilvusClientV2> clients = new ArrayList<>();

    Server(String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(System.getenv("MILVUS_RBAC_BIN"));
        command.addAll(List.of(arguments));
        log = Files.createTempFile("milvus-rbac", ".log");
        log.toFile().deleteOnExit();
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(log.toFile());
        builder.environment().keySet().removeIf(name -> name.startsWith("MILVUS_"));
        // Arguments take the place of these.
        builder.environment()
                .putAll(Map.of(
                        "MILVUS_RBAC_LISTEN", "127.0.0.1:0",
                        "MILVUS_RBAC_ADMIN_LISTEN", "127.0.0.1:0",
                        "MILVUS_RBAC_STORE", "memory:",
                        "MILVUS_RBAC_BCRYPT_COST", "4"));
        process = builder.start();
        read();
        address = announced("listening on ");
        admin = announced("admin on ");
    }

    private void read() {
        Thread reader = new Thread(() -> {
            try (BufferedReader out = process.inputReader()) {
                out.lines().forEach(lines::add);
            } catch (IOException | UncheckedIOException e) {
                lines.add(e.toString());
            }
            lines.add("nothing more");
        });
        reader.setDaemon(true);
        reader.start();
    }

    private String announced(String words) throws InterruptedException, IOException {
        String line = lines.poll(START_SECONDS, TimeUnit.SECONDS);
        if (line == null || !line.startsWith(words)) {
            process.destroyForcibly();
            fail("the server says " + line + " in place of " + words + "\n" + log());
        }
        return line.substring(words.length());
    }

    /** How many calls of a method ended in a gRPC code so far. */
    int calls(String method, Status.Code code) {
        String metric = "milvus_rbac_requests_total{method=\"" + method + "\",code=\"" + code.value() + "\"} ";
        try (InputStream answer = URI.create("http://" + admin + "/metrics").toURL().openStream()) {
            return new String(answer.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> line.startsWith(metric))
                    .mapToInt(line -> Integer.parseInt(line.substring(metric.length())))
                    .sum();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    String log() throws IOException {
        return Files.readString(log);
    }

    String uri() {
        return "http://" + address;
    }

    /** What all clients have in common. */
    ConnectConfig.ConnectConfigBuilder config() {
        return ConnectConfig.builder().uri(uri());
    }

    Client root() {
        return client("root", ROOT_PASSWORD);
    }

    /** A client of a user who was made by these tests. */
    Client client(String user) {
        return client(user, PASSWORD);
    }

    Client client(String user, String password) {
        return connect(config().token(user + ":" + password));
    }

    Client connect(ConnectConfig.ConnectConfigBuilder config) {
        MilvusClientV2 client = new MilvusClientV2(config.build());
        clients.add(client);
        return new Client(client);
    }

    /** Closes the clients and ends the server. */
    void stop() throws IOException, InterruptedException {
        close();
        end();
    }

    /** Closes the clients. */
    void close() {
        clients.forEach(MilvusClientV2::close);
    }

    /** Ends the server as an orchestrator would, and checks that it went well. */
    void end() throws IOException, InterruptedException {
        process.destroy();
        if (!process.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            fail("the server did not stop within " + STOP_SECONDS + " s\n" + log());
        }
        assertEquals(0, process.exitValue(), log());
        assertFalse(log().contains("panicked"), log());
    }
}
