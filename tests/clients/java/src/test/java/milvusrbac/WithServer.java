package milvusrbac;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** Each test has a server of its own, and a client of root. */
abstract class WithServer {
    Server server;
    Client root;

    /** The server's flags, besides those that all have. */
    String[] flags() {
        return new String[0];
    }

    @BeforeEach
    final void start() throws Exception {
        server = new Server(flags());
        root = server.root();
    }

    @AfterEach
    final void stop() throws Exception {
        if (server != null) {
            server.stop();
        }
    }

    /** A user without roles. */
    final Client stranger() {
        root.createUser("stranger", Server.PASSWORD);
        return server.client("stranger");
    }

    final void addUser(String user, String... roles) {
        root.createUser(user, Server.PASSWORD);
        for (String role : roles) {
            root.grantRole(user, role);
        }
    }
}
