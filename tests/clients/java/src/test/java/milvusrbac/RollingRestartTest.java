package milvusrbac;

import static milvusrbac.Refusals.denied;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The server is restarted three times under load, and no caller notices. */
class RollingRestartTest {
    private static final int RESTARTS = 3;
    /** What each caller must be told before the next restart. */
    private static final int CALLS_BETWEEN = 5;

    @TempDir
    Path folder;

    /**
     * Not a port that the system gives to connections: while the server is away, one of those could take it,
     * or be connected to itself.
     */
    private static String freeAddress() {
        while (true) {
            int port = ThreadLocalRandom.current().nextInt(20_000, 32_000);
            try (ServerSocket probe = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
                return "127.0.0.1:" + probe.getLocalPort();
            } catch (IOException taken) {
                continue;
            }
        }
    }

    /**
     * The SDK repeats calls that find nobody, for longer than a restart takes. It also repeats those whose
     * answer is lost, and would be told that what it creates is there already.
     */
    @Test
    @Tag("createUser")
    @Tag("createRole")
    @Tag("grantRole")
    @Tag("grantPrivilege")
    @Tag("grantPrivilegeV2")
    @Tag("createPrivilegeGroup")
    void goesUnnoticed() throws Exception {
        String[] flags = {
            "--listen", freeAddress(), "--store", "sled:" + folder, "--max-users", "0", "--max-roles", "0",
            "--bcrypt-cost", "8"
        };
        Server first = new Server(flags);
        Server last = first;
        Callers callers = new Callers(load(first));
        try {
            for (int i = 0; i < RESTARTS; i++) {
                callers.goOn(CALLS_BETWEEN);
                last.end();
                last = new Server(flags);
            }
            callers.goOn(CALLS_BETWEEN);
            callers.stop();
            check(last.root(), callers);
        } finally {
            last.stop();
            first.close();
        }
    }

    /** Calls of many kinds, which fail if an answer is wrong. */
    private static Map<String, Callers.Call> load(Server server) {
        Client root = server.root();
        root.createRole("r1");
        root.createRole("r2");
        root.createUser("stranger", Server.PASSWORD);
        root.grantRole("stranger", "r1");
        // Half of them share a client.
        Client binder = server.root();
        Client granter = server.root();
        Client granterV1 = server.root();
        Client stranger = server.client("stranger");
        AtomicInteger created = new AtomicInteger();
        Map<String, Callers.Call> calls = new LinkedHashMap<>();
        calls.put("createRole", number -> {
            root.createRole("role_" + number);
            created.incrementAndGet();
        });
        calls.put("createUser", number -> root.createUser("user_" + number, Server.PASSWORD));
        calls.put("createGroup", number -> root.createPrivilegeGroup("group_" + number));
        calls.put("listRoles", number -> {
            int expected = created.get() + 4;
            assertTrue(root.listRoles().size() >= expected);
        });
        calls.put("bind", number -> {
            if (number % 2 == 0) {
                binder.grantRole("stranger", "r2");
            } else {
                binder.revokeRole("stranger", "r2");
            }
        });
        calls.put("grantV2", number -> {
            granter.grantPrivilegeV2("r1", "Search", "c" + number, "default");
            if (number % 2 != 0) {
                granter.revokePrivilegeV2("r1", "Search", "c" + number, "default");
            }
        });
        calls.put("grantV1", number -> granterV1.grantPrivilege("r2", "Collection", "Query", "c" + number));
        calls.put("describeOneself", number -> assertTrue(stranger.rolesOf("stranger").contains("r1")));
        calls.put("tryInVain", number -> denied("CreateOwnership", () -> stranger.createRole("not_for_me")));
        return calls;
    }

    /** What was acknowledged is there, and nothing else. */
    private static void check(Client root, Callers callers) {
        Set<String> roles = numbered("role_", callers.done("createRole"));
        roles.addAll(List.of("admin", "public", "r1", "r2"));
        assertEquals(roles, new HashSet<>(root.listRoles()));
        Set<String> users = numbered("user_", callers.done("createUser"));
        users.addAll(List.of("root", "stranger"));
        assertEquals(users, new HashSet<>(root.listUsers()));
        Set<String> groups = root.groups().keySet().stream()
                .filter(name -> name.startsWith("group_"))
                .collect(Collectors.toSet());
        assertEquals(numbered("group_", callers.done("createGroup")), groups);
        assertEquals(1 + callers.done("bind") % 2, root.rolesOf("stranger").size());
        assertEquals((callers.done("grantV2") + 1) / 2, root.grants("r1").size());
        assertEquals(callers.done("grantV1"), root.grants("r2").size());
    }

    private static Set<String> numbered(String prefix, int count) {
        return IntStream.range(0, count).mapToObj(number -> prefix + number).collect(Collectors.toSet());
    }
}
