// Package rbac drives milvus-rbac with the Go client of Milvus.
package rbac

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus/client/v2/milvusclient"
	"github.com/milvus-io/milvus/pkg/v2/util/merr"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	startTime = 20 * time.Second
	stopTime  = 10 * time.Second
	// No call takes longer, on a busy machine either.
	callTime = 20 * time.Second

	rootPassword = "Milvus"
	password     = "password"

	wrongLogin   = "auth check failure, please check username and password are correct"
	missingLogin = "missing authorization in header"
)

// server is a running milvus-rbac.
type server struct {
	address string
	admin   string
	command *exec.Cmd
	log     strings.Builder
	ended   chan error
}

// start runs a server of its own for the test, and stops it after the test.
func start(t *testing.T, flags ...string) *server {
	t.Helper()
	s := launch(t, flags...)
	t.Cleanup(func() { s.stop(t) })
	return s
}

// launch runs a server that the caller stops. A flag takes the place of what is set here.
func launch(t *testing.T, flags ...string) *server {
	t.Helper()
	s := &server{command: exec.Command(os.Getenv("MILVUS_RBAC_BIN"), flags...), ended: make(chan error, 1)}
	s.command.Env = append(cleanEnvironment(), "MILVUS_RBAC_LISTEN=127.0.0.1:0", "MILVUS_RBAC_ADMIN_LISTEN=127.0.0.1:0",
		"MILVUS_RBAC_STORE=memory:", "MILVUS_RBAC_BCRYPT_COST=4")
	s.command.Stderr = &s.log
	stdout, err := s.command.StdoutPipe()
	must(t, err)
	must(t, s.command.Start())

	lines := make(chan string, 2)
	go func() {
		scanner := bufio.NewScanner(stdout)
		for number := 0; scanner.Scan(); number++ {
			if number < cap(lines) {
				lines <- scanner.Text()
			}
		}
		close(lines)
		s.ended <- s.command.Wait()
		close(s.ended)
	}()
	announced := func(words string) string {
		var line string
		select {
		case line = <-lines:
		case <-time.After(startTime):
		}
		rest, found := strings.CutPrefix(line, words)
		if !found {
			s.command.Process.Kill()
			<-s.ended
			t.Fatalf("the server says %q in place of %q within %v\n%s", line, words, startTime, s.log.String())
		}
		return rest
	}
	s.address = announced("listening on ")
	s.admin = announced("admin on ")
	return s
}

// calls are the calls of each method and gRPC code that the server has had so far.
func (s *server) calls(t *testing.T) map[string]string {
	t.Helper()
	client := http.Client{Timeout: callTime}
	answer, err := client.Get("http://" + s.admin + "/metrics")
	must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	calls := map[string]string{}
	line := regexp.MustCompile(`(?m)^milvus_rbac_requests_total\{method="(\w+)",code="(\d+)"\} (\d+)$`)
	for _, found := range line.FindAllStringSubmatch(string(text), -1) {
		calls[found[1]+" "+found[2]] = found[3]
	}
	return calls
}

// stop ends the server as an orchestrator would, and checks that it went well.
func (s *server) stop(t *testing.T) {
	t.Helper()
	s.command.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.ended:
		if err != nil || strings.Contains(s.log.String(), "panicked") {
			t.Errorf("the server ended with %v\n%s", err, s.log.String())
		}
	case <-time.After(stopTime):
		s.command.Process.Kill()
		<-s.ended
		t.Errorf("the server did not stop within %v\n%s", stopTime, s.log.String())
	}
}

// cleanEnvironment is ours, without what would configure the server.
func cleanEnvironment() []string {
	var kept []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "MILVUS_") {
			kept = append(kept, entry)
		}
	}
	return kept
}

// call bounds a call, or everything that a test does.
func call(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	t.Cleanup(cancel)
	return ctx
}

// dial connects with a configuration whose address is filled in.
func (s *server) dial(t *testing.T, config milvusclient.ClientConfig) (*milvusclient.Client, error) {
	t.Helper()
	config.Address = s.address
	client, err := milvusclient.New(call(t), &config)
	if err == nil {
		t.Cleanup(func() { client.Close(context.Background()) })
	}
	return client, err
}

// client is one of a user with the password that the tests give.
func (s *server) client(t *testing.T, user string) *milvusclient.Client {
	t.Helper()
	return s.clientIn(t, user, "")
}

// clientIn is one that uses a database.
func (s *server) clientIn(t *testing.T, user, database string) *milvusclient.Client {
	t.Helper()
	client, err := s.dial(t, login(user, database))
	must(t, err)
	return client
}

func login(user, database string) milvusclient.ClientConfig {
	config := milvusclient.ClientConfig{Username: user, Password: password, DBName: database}
	if user == "root" {
		config.Password = rootPassword
	}
	return config
}

// setUp is where most tests begin: a server, and root's client.
func setUp(t *testing.T, flags ...string) (context.Context, *server, *milvusclient.Client) {
	t.Helper()
	t.Parallel()
	s := start(t, flags...)
	return call(t), s, s.client(t, "root")
}

// addUser creates a user who has some roles, which are created with it.
func addUser(t *testing.T, root *milvusclient.Client, user string, roles ...string) {
	t.Helper()
	ctx := call(t)
	must(t, root.CreateUser(ctx, milvusclient.NewCreateUserOption(user, password)))
	for _, role := range roles {
		if role != "admin" && role != "public" {
			must(t, root.CreateRole(ctx, milvusclient.NewCreateRoleOption(role)))
		}
		must(t, root.GrantRole(ctx, milvusclient.NewGrantRoleOption(user, role)))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T any](t *testing.T, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// refused checks an answer that carries an error which the caller can do something about.
func refused(t *testing.T, err error, code int32, text string) {
	t.Helper()
	failed(t, err, code, text)
	if err != nil && merr.GetErrorType(err) != merr.InputError {
		t.Errorf("is no input error: %v", err)
	}
}

// failed checks an answer that carries an error.
func failed(t *testing.T, err error, code int32, text string) {
	t.Helper()
	if err == nil {
		t.Errorf("not refused; want %d, %s", code, text)
		return
	}
	if merr.Code(err) != code || err.Error() != text {
		t.Errorf("got  %d, %v\nwant %d, %s", merr.Code(err), err, code, text)
	}
	if merr.IsRetryableErr(err) {
		t.Errorf("is retryable: %v", err)
	}
}

// rpcError checks a call that fails by itself.
func rpcError(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	if s, ok := status.FromError(err); !ok || s.Code() != code || s.Message() != text {
		t.Errorf("got  %v\nwant %v, %s", err, code, text)
	}
}

// denied checks the refusal for lack of a privilege, of the user u1.
func denied(t *testing.T, err error, privilege, database string) {
	t.Helper()
	text := fmt.Sprintf("Privilege%s: permission deny to u1 in the `%s` database", privilege, database)
	rpcError(t, err, codes.PermissionDenied, text)
}

// permitted checks that a call on data, of which the server has none, was let through.
func permitted(t *testing.T, err error, rpc string) {
	t.Helper()
	if status.Code(err) != codes.Unimplemented || !strings.Contains(fmt.Sprint(err), rpc) {
		t.Errorf("got %v, want a %s that is unimplemented", err, rpc)
	}
}

// search asks for data as the client does after it has described the collection.
func search(ctx context.Context, client *milvusclient.Client, database, collection string) error {
	request := &milvuspb.SearchRequest{DbName: database, CollectionName: collection}
	_, err := client.GetService().Search(ctx, request)
	return err
}

// grant is what a role holds. Its order is that of the answer.
type grant struct {
	objectType, database, objectName, privilege string
}

// grants lists what a role holds in a database: "" is the client's, "*" is all of them.
func grants(t *testing.T, client *milvusclient.Client, role, database string) []grant {
	t.Helper()
	described, err := client.DescribeRole(call(t), milvusclient.NewDescribeRoleOption(role).WithDbName(database))
	must(t, err)
	held := []grant{}
	for _, item := range described.Privileges {
		if item.RoleName != role || item.Grantor != "root" {
			t.Errorf("%+v is not of role %s, by root", item, role)
		}
		held = append(held, grant{item.Object, item.DbName, item.ObjectName, item.Privilege})
	}
	return held
}
