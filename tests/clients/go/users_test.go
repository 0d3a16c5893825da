package rbac

import (
	"slices"
	"strings"
	"testing"

	"github.com/milvus-io/milvus/client/v2/entity"
	"github.com/milvus-io/milvus/client/v2/milvusclient"
	"google.golang.org/grpc/codes"
)

func users(t *testing.T, client *milvusclient.Client) []string {
	t.Helper()
	names, err := client.ListUsers(call(t), milvusclient.NewListUserOption())
	must(t, err)
	return names
}

func describeUser(t *testing.T, client *milvusclient.Client, name string) entity.User {
	t.Helper()
	user, err := client.DescribeUser(call(t), milvusclient.NewDescribeUserOption(name))
	must(t, err)
	return *user
}

func TestAtFirstThereIsRoot(t *testing.T) {
	covers(t, "ListUsers", "DescribeUser")
	_, _, root := setUp(t)
	equal(t, users(t, root), []string{"root"})
	equal(t, describeUser(t, root, "root"), entity.User{UserName: "root", Roles: []string{}})
}

func TestCreateUser(t *testing.T) {
	covers(t, "CreateUser", "ListUsers", "DescribeUser")
	_, s, root := setUp(t)
	names := []string{"b", "B", "a.b", "a-b", "a_b", "a1", "a", strings.Repeat("u", 32)}
	for _, name := range names {
		addUser(t, root, name)
	}
	names = append(names, "root")
	slices.Sort(names)
	equal(t, users(t, root), names)
	equal(t, describeUser(t, root, "a.b"), entity.User{UserName: "a.b", Roles: []string{}})
	equal(t, describeUser(t, s.client(t, "a.b"), "a.b").UserName, "a.b")
}

func TestCreateUserRefused(t *testing.T) {
	covers(t, "CreateUser")
	ctx, _, root := setUp(t)
	addUser(t, root, "u1")
	for name, c := range map[string]struct {
		user, password, text string
	}{
		"duplicate": {"u1", password, "user already exists: u1"},
		"root":      {"root", password, "user already exists: root"},
		"no name":   {"", password, "username must be not empty"},
		"a digit first": {
			"1u", password, "invalid user name 1u, the first character must be a letter, but got 1",
		},
		"no password":    {"u2", "", "invalid password length: invalid parameter[0 out of range 6 <= value <= 72]"},
		"short password": {"u2", "12345", "invalid password length: invalid parameter[5 out of range 6 <= value <= 72]"},
		"long password": {
			"u2", strings.Repeat("é", 37), "invalid password length: invalid parameter[74 out of range 6 <= value <= 72]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.HasSuffix(c.text, "]") {
				c.text += ": invalid parameter"
			}
			refused(t, root.CreateUser(ctx, milvusclient.NewCreateUserOption(c.user, c.password)), 1100, c.text)
		})
	}
	equal(t, users(t, root), []string{"root", "u1"})
}

func TestPasswords(t *testing.T) {
	covers(t, "CreateUser", "New")
	ctx, s, root := setUp(t)
	for _, password := range []string{"123456", strings.Repeat("x", 72), strings.Repeat("é", 36), "with:colon:s", "\x00\x01 \n\t "} {
		must(t, root.CreateUser(ctx, milvusclient.NewCreateUserOption("u1", password)))
		_, err := s.dial(t, milvusclient.ClientConfig{Username: "u1", Password: password})
		must(t, err)
		must(t, root.DropUser(ctx, milvusclient.NewDropUserOption("u1")))
	}
}

func TestUserLimit(t *testing.T) {
	covers(t, "CreateUser")
	ctx, _, root := setUp(t, "--max-users", "2")
	addUser(t, root, "u1")
	err := root.CreateUser(ctx, milvusclient.NewCreateUserOption("u2", password))
	if err == nil || !strings.Contains(err.Error(), "the number of users has reached the limit") {
		t.Error(err)
	}
	must(t, root.DropUser(ctx, milvusclient.NewDropUserOption("u1")))
	must(t, root.CreateUser(ctx, milvusclient.NewCreateUserOption("u2", password)))
}

func TestUpdatePassword(t *testing.T) {
	covers(t, "UpdatePassword")
	ctx, s, root := setUp(t)
	addUser(t, root, "u1", "r1")
	must(t, root.UpdatePassword(ctx, milvusclient.NewUpdatePasswordOption("u1", password, "new password")))
	_, err := s.dial(t, login("u1", ""))
	rpcError(t, err, codes.Unauthenticated, wrongLogin)
	u1, err := s.dial(t, milvusclient.ClientConfig{Username: "u1", Password: "new password"})
	must(t, err)
	equal(t, describeUser(t, u1, "u1"), entity.User{UserName: "u1", Roles: []string{"r1"}})

	// One's own needs no privilege. The connection has the old one, and ends with it.
	must(t, u1.UpdatePassword(ctx, milvusclient.NewUpdatePasswordOption("u1", "new password", "newer password")))
	_, err = u1.DescribeUser(ctx, milvusclient.NewDescribeUserOption("u1"))
	rpcError(t, err, codes.Unauthenticated, wrongLogin)
}

func TestUpdatePasswordRefused(t *testing.T) {
	covers(t, "UpdatePassword")
	ctx, s, root := setUp(t)
	addUser(t, root, "u1")
	// Nothing tells whether the user exists, and root has to know the password, too.
	for _, user := range []string{"u1", "root", "nobody"} {
		err := root.UpdatePassword(ctx, milvusclient.NewUpdatePasswordOption(user, "wrong password", "new password"))
		refused(t, err, 1400, "old password not correct for "+user+": not authenticated")
	}
	err := root.UpdatePassword(ctx, milvusclient.NewUpdatePasswordOption("u1", password, "12345"))
	refused(t, err, 1100, "invalid password length: invalid parameter[5 out of range 6 <= value <= 72]")
	err = root.UpdatePassword(ctx, milvusclient.NewUpdatePasswordOption("u1", password, ""))
	refused(t, err, 1100, "must update either password or description: invalid parameter")
	s.client(t, "u1")
}

func TestDropUser(t *testing.T) {
	covers(t, "DropUser", "DescribeUser")
	ctx, s, root := setUp(t)
	addUser(t, root, "u1", "r1")
	u1 := s.client(t, "u1")
	must(t, root.DropUser(ctx, milvusclient.NewDropUserOption("u1")))
	equal(t, users(t, root), []string{"root"})
	_, err := u1.DescribeUser(ctx, milvusclient.NewDescribeUserOption("u1"))
	rpcError(t, err, codes.Unauthenticated, wrongLogin)
	// Once more is no error. That the user is missing is the client's own text.
	must(t, root.DropUser(ctx, milvusclient.NewDropUserOption("u1")))
	if _, err := root.DescribeUser(ctx, milvusclient.NewDescribeUserOption("u1")); err == nil || err.Error() != "not user found" {
		t.Error(err)
	}
	// The bindings ended with the user.
	addUser(t, root, "u1")
	equal(t, describeUser(t, root, "u1").Roles, []string{})

	err = root.DropUser(ctx, milvusclient.NewDropUserOption("root"))
	refused(t, err, 1401, "root user cannot be deleted: privilege not permitted")
}
