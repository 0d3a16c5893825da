package rbac

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/milvus-io/milvus/client/v2/milvusclient"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	restarts = 3
	// What each caller must be told before the next restart.
	callsBetween = 5
)

// freePort is not one that the system gives to connections: while the server is away, one of those could
// take it, or be connected to itself.
func freePort() string {
	for {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))
		if listener, err := net.Listen("tcp", address); err == nil {
			listener.Close()
			return address
		}
	}
}

// caller makes calls, one after the other.
type caller struct {
	name string
	call func(ctx context.Context, number int) error
	done atomic.Int32
}

// untilAllGoOn waits until each caller was answered some more times.
func untilAllGoOn(t *testing.T, callers []*caller) {
	t.Helper()
	var goals []int32
	for _, c := range callers {
		goals = append(goals, c.done.Load()+callsBetween)
	}
	until := time.Now().Add(callTime)
	for i, c := range callers {
		for c.done.Load() < goals[i] {
			if t.Failed() {
				t.FailNow()
			}
			if time.Now().After(until) {
				t.Fatalf("%s does not go on", c.name)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// The client repeats calls that find nobody, for longer than a restart takes. It also repeats those whose
// answer is lost, and would be told that what it creates is there already.
func TestRestartsUnderLoadGoUnnoticed(t *testing.T) {
	covers(t, "CreateUser", "CreateRole", "CreatePrivilegeGroup", "GrantRole", "RevokeRole", "GrantPrivilege",
		"GrantPrivilegeV2", "RevokePrivilegeV2", "ListRoles", "DescribeUser")
	t.Parallel()
	flags := []string{
		"--listen", freePort(), "--store", "sled:" + t.TempDir(), "--max-users", "0", "--max-roles", "0",
		"--bcrypt-cost", "8",
	}
	s := launch(t, flags...)
	defer func() { s.stop(t) }()
	root := s.client(t, "root")
	addUser(t, root, "u1", "r1")
	must(t, root.CreateRole(call(t), milvusclient.NewCreateRoleOption("r2")))
	u1 := s.client(t, "u1")

	// Half of them share a connection.
	var created atomic.Int32
	bindings, grantsV2, grantsV1 := s.client(t, "root"), s.client(t, "root"), s.client(t, "root")
	callers := []*caller{
		{name: "CreateRole", call: func(ctx context.Context, number int) error {
			err := root.CreateRole(ctx, milvusclient.NewCreateRoleOption(fmt.Sprintf("role_%d", number)))
			if err == nil {
				created.Add(1)
			}
			return err
		}},
		{name: "CreateUser", call: func(ctx context.Context, number int) error {
			return root.CreateUser(ctx, milvusclient.NewCreateUserOption(fmt.Sprintf("user_%d", number), password))
		}},
		{name: "CreatePrivilegeGroup", call: func(ctx context.Context, number int) error {
			name := fmt.Sprintf("group_%d", number)
			return root.CreatePrivilegeGroup(ctx, milvusclient.NewCreatePrivilegeGroupOption(name))
		}},
		{name: "ListRoles", call: func(ctx context.Context, _ int) error {
			expected := int(created.Load()) + 4
			names, err := root.ListRoles(ctx, milvusclient.NewListRoleOption())
			if err == nil && len(names) < expected {
				return fmt.Errorf("%d roles of %d", len(names), expected)
			}
			return err
		}},
		{name: "GrantRole", call: func(ctx context.Context, number int) error {
			if number%2 == 0 {
				return bindings.GrantRole(ctx, milvusclient.NewGrantRoleOption("u1", "r2"))
			}
			return bindings.RevokeRole(ctx, milvusclient.NewRevokeRoleOption("u1", "r2"))
		}},
		{name: "GrantPrivilegeV2", call: func(ctx context.Context, number int) error {
			collection := fmt.Sprintf("c%d", number)
			err := grantsV2.GrantPrivilegeV2(ctx, milvusclient.NewGrantPrivilegeV2Option("r1", "Search", collection))
			if err != nil || number%2 == 0 {
				return err
			}
			return grantsV2.RevokePrivilegeV2(ctx, milvusclient.NewRevokePrivilegeV2Option("r1", "Search", collection))
		}},
		{name: "GrantPrivilege", call: func(ctx context.Context, number int) error {
			collection := fmt.Sprintf("c%d", number)
			return grantsV1.GrantPrivilege(ctx, milvusclient.NewGrantPrivilegeOption("r2", "Collection", "Query", collection))
		}},
		{name: "DescribeUser", call: func(ctx context.Context, _ int) error {
			described, err := u1.DescribeUser(ctx, milvusclient.NewDescribeUserOption("u1"))
			if err == nil && !slices.Contains(described.Roles, "r1") {
				return fmt.Errorf("u1 has the roles %v", described.Roles)
			}
			return err
		}},
		{name: "CreateRole in vain", call: func(ctx context.Context, _ int) error {
			err := u1.CreateRole(ctx, milvusclient.NewCreateRoleOption("not_for_u1"))
			if status.Code(err) == codes.PermissionDenied {
				return nil
			}
			return fmt.Errorf("not denied: %v", err)
		}},
	}

	var running sync.WaitGroup
	var stopped atomic.Bool
	defer running.Wait()
	defer stopped.Store(true)
	for _, c := range callers {
		running.Go(func() {
			for number := 0; !stopped.Load(); number++ {
				ctx, cancel := context.WithTimeout(context.Background(), callTime)
				err := c.call(ctx, number)
				cancel()
				if err != nil {
					t.Errorf("%s, call %d: %v", c.name, number, err)
					return
				}
				c.done.Add(1)
			}
		})
	}
	for range restarts {
		untilAllGoOn(t, callers)
		s.stop(t)
		s = launch(t, flags...)
	}
	untilAllGoOn(t, callers)
	stopped.Store(true)
	running.Wait()

	// What was acknowledged is there, and nothing else.
	done := map[string]int{}
	for _, c := range callers {
		done[c.name] = int(c.done.Load())
	}
	ctx := call(t)
	roles, err := root.ListRoles(ctx, milvusclient.NewListRoleOption())
	must(t, err)
	equal(t, sorted(roles), numbered("role_", done["CreateRole"], "admin", "public", "r1", "r2"))
	users, err := root.ListUsers(ctx, milvusclient.NewListUserOption())
	must(t, err)
	equal(t, sorted(users), numbered("user_", done["CreateUser"], "root", "u1"))
	equal(t, len(customGroups(t, root)), done["CreatePrivilegeGroup"])
	u, err := root.DescribeUser(ctx, milvusclient.NewDescribeUserOption("u1"))
	must(t, err)
	equal(t, len(u.Roles), 1+done["GrantRole"]%2)
	equal(t, len(grants(t, root, "r1", "")), (done["GrantPrivilegeV2"]+1)/2)
	equal(t, len(grants(t, root, "r2", "")), done["GrantPrivilege"])
}

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}

// numbered are names with numbers, and others, in byte order.
func numbered(prefix string, count int, others ...string) []string {
	for number := range count {
		others = append(others, fmt.Sprint(prefix, number))
	}
	return sorted(others)
}
