package milvusrbac;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.milvus.v2.client.MilvusClientV2;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** A new version of the SDK shall not have methods that are tested nowhere. */
class CompatTest {
    /** Those that are not about roles or databases, but are served as well. */
    private static final Set<String> OTHERS = Set.of(
            "connect",
            "listUsers",
            "listRoles",
            "useDatabase",
            "currentUsedDatabase",
            "listCollections",
            "listCollectionsV2",
            "getServerVersion",
            "getServerVersionV2",
            "checkHealth");

    @Test
    void everyMethodIsNamed() {
        Set<String> found = Arrays.stream(MilvusClientV2.class.getDeclaredMethods())
                .filter(method -> Modifier.isPublic(method.getModifiers()))
                .filter(CompatTest::isOurs)
                .map(Method::getName)
                .collect(Collectors.toCollection(TreeSet::new));
        found.addAll(OTHERS);
        assertEquals(new TreeSet<>(Compat.METHODS), found);
    }

    private static boolean isOurs(Method method) {
        return Stream.concat(Stream.of(method.getReturnType()), Arrays.stream(method.getParameterTypes()))
                .map(Class::getPackageName)
                .anyMatch(name -> name.startsWith("io.milvus.v2.service.rbac")
                        || name.startsWith("io.milvus.v2.service.database"));
    }
}
