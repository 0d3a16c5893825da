package milvusrbac;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.milvus.shaded.io.grpc.Status;
import io.milvus.shaded.io.grpc.StatusRuntimeException;
import io.milvus.v2.exception.ErrorCode;
import io.milvus.v2.exception.MilvusClientException;
import java.util.function.Supplier;
import org.junit.jupiter.api.function.Executable;

/** Calls that must fail, each with a definite error and at once: the SDK tries others again for minutes. */
final class Refusals {
    static final String WRONG_LOGIN = "auth check failure, please check username and password are correct";

    private static final long AT_ONCE_NANOS = 5_000_000_000L;

    private Refusals() {}

    /** The server's error, with its code, its legacy code, and its whole text. */
    static void refused(int code, int legacy, String text, Executable call) {
        MilvusClientException error = error(code, legacy, call);
        assertEquals(text, error.getMessage());
    }

    /** The same, with a part of its text. */
    static void refusedWith(int code, int legacy, String words, Executable call) {
        MilvusClientException error = error(code, legacy, call);
        assertTrue(error.getMessage().contains(words), error.getMessage());
    }

    private static MilvusClientException error(int code, int legacy, Executable call) {
        MilvusClientException error = thrown(MilvusClientException.class, call);
        assertEquals(ErrorCode.SERVER_ERROR, error.getErrorCode(), error.getMessage());
        assertEquals(code, error.getServerErrCode(), error.getMessage());
        assertEquals(legacy, error.getLegacyServerCode(), error.getMessage());
        return error;
    }

    /** The text of a refusal for lack of a privilege. */
    static String denial(String privilege, String user, String database) {
        return "Privilege" + privilege + ": permission deny to " + user + " in the `" + database + "` database";
    }

    /** The stranger has not this privilege on the instance. */
    static void denied(String privilege, Executable call) {
        denied(denial(privilege, "stranger", "*"), Status.Code.PERMISSION_DENIED, call);
    }

    static void denied(String privilege, String user, String database, Executable call) {
        denied(denial(privilege, user, database), Status.Code.PERMISSION_DENIED, call);
    }

    /** The client is connected, but its credentials are no longer good. */
    static void notLoggedIn(Executable call) {
        denied(WRONG_LOGIN, Status.Code.UNAUTHENTICATED, call);
    }

    private static void denied(String text, Status.Code code, Executable call) {
        MilvusClientException error = thrown(MilvusClientException.class, call);
        assertEquals(ErrorCode.RPC_ERROR, error.getErrorCode(), error.getMessage());
        assertEquals(
                "Encounter rpc error that cannot be retried, reason: "
                        + StatusRuntimeException.class.getName() + ": " + code + ": " + text,
                error.getMessage());
    }

    /** No client comes about. */
    static void noConnection(String text, Supplier<?> connect) {
        StatusRuntimeException error = thrown(StatusRuntimeException.class, connect::get);
        assertEquals(Status.Code.UNAUTHENTICATED, error.getStatus().getCode(), error.toString());
        assertEquals(text, error.getStatus().getDescription());
    }

    /** The call was decided well, and then was not served: nothing but access control is here. */
    static void allowed(String rpc, Executable call) {
        MilvusClientException error = thrown(MilvusClientException.class, call);
        assertEquals(ErrorCode.RPC_ERROR, error.getErrorCode(), error.getMessage());
        assertTrue(error.getMessage().contains(Status.Code.UNIMPLEMENTED + ": "), error.getMessage());
        assertTrue(error.getMessage().contains(rpc), error.getMessage());
    }

    static <E extends Throwable> E thrown(Class<E> type, Executable call) {
        long started = System.nanoTime();
        E error = assertThrows(type, call);
        long nanos = System.nanoTime() - started;
        assertTrue(nanos < AT_ONCE_NANOS, () -> nanos / 1e9 + " s until " + error);
        return error;
    }
}
