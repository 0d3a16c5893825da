package milvusrbac;

import static milvusrbac.Refusals.denied;
import static milvusrbac.Refusals.noConnection;
import static milvusrbac.Refusals.notLoggedIn;
import static milvusrbac.Refusals.refused;
import static milvusrbac.Refusals.refusedWith;
import static milvusrbac.Server.PASSWORD;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.milvus.v2.service.rbac.request.UpdatePasswordReq;
import io.milvus.v2.service.rbac.response.DescribeUserResp;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class UsersTest extends WithServer {
    private static final String LONG_DESCRIPTION =
            "invalid user description with length 1025, the length of user description must be less than or "
                    + "equal to 1024: invalid parameter";

    private static String badLength(int length) {
        return "invalid password length: invalid parameter[" + length + " out of range 6 <= value <= 72]";
    }

    private void check(String name, List<String> roles, String description) {
        DescribeUserResp user = root.describeUser(name);
        assertEquals(name, user.getUserName());
        assertEquals(roles, user.getRoles());
        assertEquals(description, user.getDescription());
    }

    @Nested
    @Tag("createUser")
    class CreateUser {
        @Test
        void creates() {
            root.createUser("u1", PASSWORD);
            assertEquals(List.of("root", "u1"), root.listUsers());
            check("u1", List.of(), "");
            assertEquals("u1", server.client("u1").describeUser("u1").getUserName());
        }

        @Test
        void withDescription() {
            root.createUser("u1", PASSWORD, "the first");
            check("u1", List.of(), "the first");
        }

        @Test
        void dropsSurroundingBlanks() {
            root.createUser(" u1\t", PASSWORD);
            assertEquals(List.of("root", "u1"), root.listUsers());
        }

        @ParameterizedTest
        @ValueSource(strings = {"123456", "with:two:colons", "blanks,\ttabs ", "éàüßñ€", "\u0000\u0001\n{\"}"})
        void withAnyPassword(String password) {
            root.createUser("u1", password);
            assertEquals("u1", server.client("u1", password).describeUser("u1").getUserName());
            noConnection(Refusals.WRONG_LOGIN, () -> server.client("u1", password + "x"));
        }

        @Test
        void withTheLongestOfAll() {
            root.createUser("u".repeat(32), "p".repeat(72), "d".repeat(1024));
            assertEquals(List.of("root", "u".repeat(32)), root.listUsers());
            assertEquals(List.of(), server.client("u".repeat(32), "p".repeat(72)).rolesOf("u".repeat(32)));
        }

        @Test
        void duplicate() {
            root.createUser("u1", PASSWORD);
            refused(
                    1100,
                    29,
                    "user already exists: u1: invalid parameter",
                    () -> root.createUser("u1", "another password"));
            server.client("u1", PASSWORD);
        }

        @ParameterizedTest
        @ValueSource(strings = {"", "   "})
        void noName(String name) {
            String text = "username must be not empty: invalid parameter";
            refused(1100, 5, text, () -> root.createUser(name, PASSWORD));
        }

        @ParameterizedTest
        @ValueSource(strings = {"1u", "_u", "u$", "u/x", "u:x", "u x", "ü", "uü", "u*"})
        void badName(String name) {
            String words = "invalid user name " + name + ", ";
            refusedWith(1100, 5, words, () -> root.createUser(name, PASSWORD));
        }

        @Test
        void longName() {
            String name = "u".repeat(33);
            String words =
                    "invalid username " + name + " with length 33, the length of username must be less than ";
            refusedWith(1100, 5, words, () -> root.createUser(name, PASSWORD));
        }

        static Stream<String> badPasswords() {
            return Stream.of("", "12345", "x".repeat(73), "é".repeat(37));
        }

        @ParameterizedTest
        @MethodSource("badPasswords")
        void badPassword(String password) {
            int length = password.getBytes(java.nio.charset.StandardCharsets.UTF_8).length;
            refused(1100, 5, badLength(length), () -> root.createUser("u1", password));
        }

        @Test
        void longDescription() {
            refused(1100, 5, LONG_DESCRIPTION, () -> root.createUser("u1", PASSWORD, "d".repeat(1025)));
            assertEquals(List.of("root"), root.listUsers());
        }

        @Test
        void withoutPrivilege() {
            Client stranger = stranger();
            denied("CreateOwnership", () -> stranger.createUser("u1", PASSWORD));
            assertEquals(List.of("root", "stranger"), root.listUsers());
        }
    }

    @Nested
    @Tag("updatePassword")
    class UpdatePassword {
        @Test
        void endsTheOldOneAtOnce() {
            addUser("u1");
            Client u1 = server.client("u1");
            root.updatePassword("u1", PASSWORD, "new password");
            notLoggedIn(() -> u1.describeUser("u1"));
            noConnection(Refusals.WRONG_LOGIN, () -> server.client("u1"));
            assertEquals("u1", server.client("u1", "new password").describeUser("u1").getUserName());
        }

        @Test
        void keepsTheRest() {
            root.createRole("r1");
            root.createUser("u1", PASSWORD, "kept");
            root.grantRole("u1", "r1");
            root.updatePassword("u1", PASSWORD, "new password");
            check("u1", List.of("r1"), "kept");
        }

        @Test
        void andTheDescription() {
            addUser("u1");
            root.sdk().updatePassword(UpdatePasswordReq.builder()
                    .userName("u1")
                    .password(PASSWORD)
                    .newPassword("new password")
                    .description("new")
                    .build());
            check("u1", List.of(), "new");
            server.client("u1", "new password");
        }

        @Test
        void toTheSame() {
            addUser("u1");
            root.updatePassword("u1", PASSWORD, PASSWORD);
            server.client("u1");
        }

        @Test
        void ofOneself() {
            addUser("u1");
            Client u1 = server.client("u1");
            u1.updatePassword("u1", PASSWORD, "new password");
            notLoggedIn(() -> u1.describeUser("u1"));
            server.client("u1", "new password");
        }

        @Test
        void ofOneselfOnTheSameClient() {
            addUser("u1");
            Client u1 = server.client("u1");
            u1.sdk().updatePassword(UpdatePasswordReq.builder()
                    .userName("u1")
                    .password(PASSWORD)
                    .newPassword("new password")
                    .resetConnection(true)
                    .build());
            assertEquals("u1", u1.describeUser("u1").getUserName());
        }

        @Test
        void ofRoot() {
            root.updatePassword("root", "Milvus", "new password");
            notLoggedIn(() -> root.listUsers());
            noConnection(Refusals.WRONG_LOGIN, () -> server.root());
            assertEquals(List.of("root"), server.client("root", "new password").listUsers());
        }

        /** Nothing tells whether the user exists, and root has to know the password, too. */
        @ParameterizedTest
        @ValueSource(strings = {"u1", "root", "nobody"})
        void withAWrongOne(String user) {
            addUser("u1");
            refused(
                    1400,
                    1,
                    "old password not correct for " + user + ": not authenticated",
                    () -> root.updatePassword(user, "wrong password", "new password"));
            server.client("u1");
        }

        @ParameterizedTest
        @CsvSource({"12345, 5", "1234567890123456789012345678901234567890123456789012345678901234567890123, 73"})
        void toABadOne(String password, int length) {
            addUser("u1");
            refused(1100, 5, badLength(length), () -> root.updatePassword("u1", PASSWORD, password));
        }

        @Test
        void toNone() {
            addUser("u1");
            refused(
                    1100,
                    5,
                    "must update either password or description: invalid parameter",
                    () -> root.updatePassword("u1", PASSWORD, ""));
        }

        @Test
        void withoutPrivilege() {
            addUser("u1");
            Client stranger = stranger();
            denied("UpdateUser", () -> stranger.updatePassword("u1", PASSWORD, "new password"));
            server.client("u1");
        }
    }

    @Nested
    @Tag("updateUser")
    class UpdateUser {
        @Test
        void setsTheDescription() {
            root.createRole("r1");
            addUser("u1", "r1");
            root.updateUser("u1", "new");
            check("u1", List.of("r1"), "new");
            server.client("u1");
        }

        @Test
        void clearsTheDescription() {
            root.createUser("u1", PASSWORD, "old");
            root.updateUser("u1", "");
            check("u1", List.of(), "");
        }

        @Test
        void clearsTheDescriptionIfThereIsNone() {
            root.createUser("u1", PASSWORD, "old");
            root.updateUser("u1", null);
            check("u1", List.of(), "");
        }

        @Test
        void ofOneself() {
            addUser("u1");
            server.client("u1").updateUser("u1", "me");
            check("u1", List.of(), "me");
        }

        @Test
        void missing() {
            refused(
                    65535,
                    30,
                    "failed to check if update credential: user not found",
                    () -> root.updateUser("nobody", "d"));
        }

        @Test
        void longDescription() {
            addUser("u1");
            refused(1100, 5, LONG_DESCRIPTION, () -> root.updateUser("u1", "d".repeat(1025)));
        }

        @Test
        void withoutPrivilege() {
            addUser("u1");
            Client stranger = stranger();
            denied("UpdateUser", () -> stranger.updateUser("u1", "d"));
            check("u1", List.of(), "");
        }
    }

    @Nested
    @Tag("dropUser")
    class DropUser {
        @Test
        void drops() {
            addUser("u1");
            root.dropUser("u1");
            assertEquals(List.of("root"), root.listUsers());
        }

        @Test
        void endsTheRolesToo() {
            addUser("u1", "admin");
            root.dropUser("u1");
            addUser("u1");
            check("u1", List.of(), "");
        }

        @Test
        void missing() {
            String before = root.everything();
            root.dropUser("nobody");
            assertEquals(before, root.everything());
        }

        @Test
        void rootStays() {
            refused(
                    1401,
                    1,
                    "root user cannot be deleted: privilege not permitted",
                    () -> root.dropUser("root"));
            assertEquals(List.of("root"), root.listUsers());
        }

        @Test
        void oneselfByAnAdmin() {
            addUser("u1", "admin");
            Client u1 = server.client("u1");
            u1.dropUser("u1");
            notLoggedIn(() -> u1.listUsers());
        }

        @Test
        void withoutPrivilege() {
            Client stranger = stranger();
            denied("DropOwnership", () -> stranger.dropUser("stranger"));
            assertEquals(List.of("root", "stranger"), root.listUsers());
        }
    }

    @Nested
    @Tag("listUsers")
    class ListUsers {
        @Test
        void atFirstThereIsRoot() {
            assertEquals(List.of("root"), root.listUsers());
        }

        @Test
        void inByteOrder() {
            for (String name : List.of("b", "B", "a.b", "a-b", "a_b", "a1", "a")) {
                addUser(name);
            }
            assertEquals(List.of("B", "a", "a-b", "a.b", "a1", "a_b", "b", "root"), root.listUsers());
        }

        @Test
        void withoutPrivilege() {
            Client stranger = stranger();
            denied("SelectOwnership", () -> stranger.listUsers());
        }
    }

    @Nested
    @Tag("describeUser")
    class DescribeUser {
        @Test
        void rootHasNoRoles() {
            check("root", List.of(), "");
        }

        @Test
        void rolesAreInByteOrder() {
            root.createRole("b");
            root.createRole("B");
            addUser("u1", "public", "b", "admin", "B");
            check("u1", List.of("B", "admin", "b", "public"), "");
        }

        @Test
        void missing() {
            check("nobody", List.of(), "");
        }

        @Test
        void badName() {
            refusedWith(1100, 5, "invalid user name u/1, ", () -> root.describeUser("u/1"));
        }

        @Test
        void ofOneself() {
            root.createRole("r1");
            addUser("u1", "r1");
            assertEquals(List.of("r1"), server.client("u1").rolesOf("u1"));
        }

        @ParameterizedTest
        @ValueSource(strings = {"u1", "root", "strange", "stranger1", "Stranger"})
        void withoutPrivilege(String user) {
            addUser("u1");
            Client stranger = stranger();
            denied("SelectUser", () -> stranger.describeUser(user));
        }
    }
}
