package milvusrbac;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.TestTag;
import org.junit.platform.engine.reporting.ReportEntry;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;

/**
 * Writes down which methods of the SDK work, after all tests, as lines of JSON in the file that
 * MILVUS_RBAC_COMPAT names. A method works if all tests with a tag of its name passed.
 */
public final class Compat implements TestExecutionListener {
    static final List<String> METHODS = List.of(
            "connect",
            "createUser",
            "updatePassword",
            "updateUser",
            "dropUser",
            "listUsers",
            "describeUser",
            "createRole",
            "alterRole",
            "dropRole",
            "listRoles",
            "describeRole",
            "grantRole",
            "revokeRole",
            "grantPrivilege",
            "revokePrivilege",
            "grantPrivilegeV2",
            "revokePrivilegeV2",
            "createPrivilegeGroup",
            "dropPrivilegeGroup",
            "listPrivilegeGroups",
            "addPrivilegesToGroup",
            "removePrivilegesFromGroup",
            "createDatabase",
            "dropDatabase",
            "listDatabases",
            "describeDatabase",
            "alterDatabase",
            "alterDatabaseProperties",
            "dropDatabaseProperties",
            "useDatabase",
            "currentUsedDatabase",
            "listCollections",
            "listCollectionsV2",
            "getServerVersion",
            "getServerVersionV2",
            "checkHealth");

    private static final int REASON_LENGTH = 160;

    private static final class Outcome {
        private int tests;
        private final List<String> failures = new ArrayList<>();
        private String seen = "works";

        @Override
        public String toString() {
            if (tests == 0) {
                return "no test ran";
            }
            if (failures.isEmpty()) {
                return seen;
            }
            String reason = failures.size() + " of " + tests + " tests failed: " + failures.get(0);
            return reason.substring(0, Math.min(reason.length(), REASON_LENGTH));
        }
    }

    private final Map<String, Outcome> outcomes = new LinkedHashMap<>();

    public Compat() {
        METHODS.forEach(method -> outcomes.put(method, new Outcome()));
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
        boolean passed = result.getStatus() == TestExecutionResult.Status.SUCCESSFUL;
        // A container that fails has kept its tests from running.
        if (test.isTest() || !passed) {
            String error = result.getThrowable().map(Throwable::toString).orElse(result.getStatus().toString());
            count(test, passed ? null : test.getDisplayName() + ": " + error);
        }
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
        count(test, test.getDisplayName() + ": skipped, " + reason);
    }

    /** A test publishes what else there is to say of a method that it shows. */
    @Override
    public void reportingEntryPublished(TestIdentifier test, ReportEntry entry) {
        entry.getKeyValuePairs().forEach((method, text) -> outcomes.get(method).seen = text);
    }

    private void count(TestIdentifier test, String failure) {
        for (TestTag tag : test.getTags()) {
            Outcome outcome = outcomes.get(tag.getName());
            if (outcome != null) {
                outcome.tests++;
                if (failure != null) {
                    outcome.failures.add(failure);
                }
            }
        }
    }

    @Override
    public void testPlanExecutionFinished(TestPlan plan) {
        String file = System.getenv("MILVUS_RBAC_COMPAT");
        if (file == null || file.isEmpty()) {
            return;
        }
        List<String> lines = new ArrayList<>();
        outcomes.forEach((method, outcome) -> lines.add("{\"client\":\"Java SDK\",\"version\":"
                + json(System.getProperty("milvus.version", "")) + ",\"method\":" + json(method)
                + ",\"outcome\":" + json(outcome.toString()) + "}"));
        try {
            Files.write(Path.of(file), lines, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String json(String text) {
        StringBuilder json = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c < ' ') {
                json.append(' ');
            } else {
                json.append(c == '"' || c == '\\' ? "\\" : "").append(c);
            }
        }
        return json.append('"').toString();
    }
}
