package milvusrbac;

import static milvusrbac.Refusals.refused;
import static milvusrbac.Refusals.refusedWith;
import static milvusrbac.Server.PASSWORD;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class UserLimitTest extends WithServer {
    @Override
    String[] flags() {
        return new String[] {"--max-users", "2"};
    }

    @Test
    @Tag("createUser")
    void isKept() {
        root.createUser("u1", PASSWORD);
        String words = "unable to add user because the number of users has reached the limit";
        refusedWith(9, 29, words, () -> root.createUser("u2", PASSWORD));
        String text = "user already exists: u1: invalid parameter";
        refused(1100, 29, text, () -> root.createUser("u1", PASSWORD));
        root.dropUser("u1");
        root.createUser("u2", PASSWORD);
        assertEquals(List.of("root", "u2"), root.listUsers());
    }
}
