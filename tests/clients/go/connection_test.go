package rbac

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/milvus-io/milvus/client/v2/milvusclient"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestConnect(t *testing.T) {
	covers(t, "New", "GetServerVersion", "Close")
	ctx, s, _ := setUp(t)
	config := login("root", "")
	config.Address = s.address
	client, err := milvusclient.New(ctx, &config)
	must(t, err)
	version, err := client.GetServerVersion(ctx, milvusclient.NewGetServerVersionOption())
	must(t, err)
	if version == "" {
		t.Error("the version is empty")
	}
	// The client keeps what Connect answered; other clients parse it.
	equal(t, config.ServerVersion, version)
	must(t, client.Close(ctx))
	if _, err := client.ListUsers(ctx, milvusclient.NewListUserOption()); err == nil {
		t.Error("a closed client goes on")
	}
}

// A key in place of a password is the same login, as in the documentation's tokens.
func TestConnectWithAToken(t *testing.T) {
	covers(t, "New")
	ctx, s, _ := setUp(t)
	client, err := s.dial(t, milvusclient.ClientConfig{APIKey: "root:" + rootPassword})
	must(t, err)
	_, err = client.ListUsers(ctx, milvusclient.NewListUserOption())
	must(t, err)
}

func TestWrongCredentialsFailSoon(t *testing.T) {
	covers(t, "New")
	_, s, root := setUp(t)
	addUser(t, root, "u1")
	refused := 0
	for name, c := range map[string]struct {
		config milvusclient.ClientConfig
		text   string
	}{
		"wrong password":      {milvusclient.ClientConfig{Username: "root", Password: "wrong"}, wrongLogin},
		"another's password":  {milvusclient.ClientConfig{Username: "u1", Password: rootPassword}, wrongLogin},
		"unknown user":        {milvusclient.ClientConfig{Username: "nobody", Password: password}, wrongLogin},
		"no password":         {milvusclient.ClientConfig{Username: "root"}, wrongLogin},
		"no user":             {milvusclient.ClientConfig{Password: rootPassword}, wrongLogin},
		"a key":               {milvusclient.ClientConfig{APIKey: "key"}, "auth check failure, please check api key is correct"},
		"nothing":             {milvusclient.ClientConfig{}, missingLogin},
		"nothing, a database": {milvusclient.ClientConfig{DBName: "nope"}, missingLogin},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := s.dial(t, c.config)
			rpcError(t, err, codes.Unauthenticated, c.text)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			// One call, and none of its repetitions.
			refused++
			equal(t, s.calls(t)["Connect 16"], fmt.Sprint(refused))
		})
	}
}

// Clients that skip Connect learn about their password from the first call.
func TestWrongCredentialsWithoutConnect(t *testing.T) {
	covers(t, "New", "ListUsers")
	ctx, s, _ := setUp(t)
	client, err := s.dial(t, milvusclient.ClientConfig{Username: "root", Password: "wrong", DisableConn: true})
	must(t, err)
	_, err = client.ListUsers(ctx, milvusclient.NewListUserOption())
	rpcError(t, err, codes.Unauthenticated, wrongLogin)
	equal(t, s.calls(t)["ListCredUsers 16"], "1")
}

func TestConnectWithADatabase(t *testing.T) {
	covers(t, "New", "GrantPrivilegeV2")
	ctx, s, root := setUp(t)
	must(t, root.CreateDatabase(ctx, milvusclient.NewCreateDatabaseOption("db1")))
	must(t, root.CreateRole(ctx, milvusclient.NewCreateRoleOption("r1")))
	client := s.clientIn(t, "root", "db1")
	must(t, client.GrantPrivilegeV2(ctx, milvusclient.NewGrantPrivilegeV2Option("r1", "Search", "c1")))
	equal(t, grants(t, root, "r1", "*"), []grant{{"Collection", "db1", "c1", "Search"}})
	equal(t, grants(t, client, "r1", ""), []grant{{"Collection", "db1", "c1", "Search"}})
	equal(t, grants(t, root, "r1", ""), []grant{})

	_, err := s.dial(t, login("root", "nope"))
	refused(t, err, 800, "database not found[database=nope]")
}

func TestNobodyListens(t *testing.T) {
	covers(t, "New")
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	config := login("root", "")
	config.Address = listener.Addr().String()
	must(t, listener.Close())
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := milvusclient.New(ctx, &config); err == nil {
		t.Error("connected to nobody")
	}
}

// counted is a connection that counts the pings which the client sends.
type counted struct {
	net.Conn
	pings *atomic.Int32
}

func (c counted) Write(data []byte) (int, error) {
	// A frame of HTTP/2: three bytes of length, one of type, one of flags; type 6 is PING, flag 1 its answer.
	if len(data) == 17 && data[3] == 6 && data[4] == 0 {
		c.pings.Add(1)
	}
	return c.Conn.Write(data)
}

// The client asks for a ping every 5 s; its gRPC library makes that 10 s.
func TestPingsOfAnIdleClient(t *testing.T) {
	covers(t, "New")
	_, s, _ := setUp(t)
	var dials, pings atomic.Int32
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		dials.Add(1)
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		return counted{conn, &pings}, err
	}
	config := login("root", "")
	config.DialOptions = append(config.DialOptions, milvusclient.DefaultGrpcOpts...)
	config.DialOptions = append(config.DialOptions, grpc.WithContextDialer(dial))
	client, err := s.dial(t, config)
	must(t, err)
	before := pings.Load()
	time.Sleep(23 * time.Second)
	if sent := pings.Load() - before; sent < 2 {
		t.Errorf("%d pings", sent)
	}
	_, err = client.ListUsers(call(t), milvusclient.NewListUserOption())
	must(t, err)
	equal(t, dials.Load(), 1)
}

func TestCollectionsAreNone(t *testing.T) {
	covers(t, "ListCollections")
	ctx, s, root := setUp(t)
	addUser(t, root, "u1")
	// Nobody is refused: Milvus shows to each those that are theirs.
	for _, user := range []string{"root", "u1"} {
		names, err := s.client(t, user).ListCollections(ctx, milvusclient.NewListCollectionOption())
		must(t, err)
		equal(t, len(names), 0)
	}
}

// A caller's deadline ends a call, whatever the server does.
func TestDeadline(t *testing.T) {
	covers(t, "ListUsers")
	_, _, root := setUp(t)
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	_, err := root.ListUsers(ctx, milvusclient.NewListUserOption())
	if status.Code(err) != codes.DeadlineExceeded {
		t.Error(err)
	}
}
