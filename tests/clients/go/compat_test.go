package rbac

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/milvus-io/milvus/client/v2/common"
	"github.com/milvus-io/milvus/client/v2/milvusclient"
)

// methods are all that the client has for access control and what goes with it.
var methods = []string{
	"New", "Close",
	"CreateUser", "UpdatePassword", "DropUser", "ListUsers", "DescribeUser",
	"CreateRole", "DropRole", "ListRoles", "DescribeRole", "GrantRole", "RevokeRole",
	"GrantPrivilege", "RevokePrivilege",
	"GrantPrivilegeV2", "RevokePrivilegeV2", "GrantV2", "RevokeV2",
	"CreatePrivilegeGroup", "DropPrivilegeGroup", "ListPrivilegeGroups",
	"AddPrivilegesToGroup", "RemovePrivilegesFromGroup", "OperatePrivilegeGroup",
	"BackupRBAC", "RestoreRBAC",
	"CreateDatabase", "DropDatabase", "ListDatabase", "DescribeDatabase", "UseDatabase",
	"AlterDatabaseProperties", "DropDatabaseProperties",
	"ListCollections", "GetServerVersion",
}

var outcomes = struct {
	sync.Mutex
	tests  map[string]int
	failed map[string]string
}{tests: map[string]int{}, failed: map[string]string{}}

// covers names the methods that a test is about. A method works if all of its tests passed.
func covers(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if !slices.Contains(methods, name) {
			t.Fatalf("%s is not in the list of methods", name)
		}
	}
	t.Cleanup(func() {
		outcomes.Lock()
		defer outcomes.Unlock()
		for _, name := range names {
			outcomes.tests[name]++
			if t.Failed() {
				outcomes.failed[name] = t.Name()
			}
		}
	})
}

func outcome(method string) string {
	if test := outcomes.failed[method]; test != "" {
		return "fails in " + test
	}
	if outcomes.tests[method] == 0 {
		return "no test ran"
	}
	return "works"
}

// writeOutcomes appends one line of JSON for each method.
func writeOutcomes(name string) error {
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(file)
	for _, method := range methods {
		line := struct {
			Client  string `json:"client"`
			Version string `json:"version"`
			Method  string `json:"method"`
			Outcome string `json:"outcome"`
		}{"Go client", common.SDKVersion, method, outcome(method)}
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	return file.Close()
}

func TestMain(m *testing.M) {
	code := m.Run()
	if file := os.Getenv("MILVUS_RBAC_COMPAT"); file != "" {
		if err := writeOutcomes(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if flag.Lookup("test.run").Value.String() == "" {
		for _, method := range methods {
			if outcome(method) == "no test ran" {
				fmt.Fprintln(os.Stderr, "no test covers", method)
				code = 1
			}
		}
	}
	os.Exit(code)
}

var access = regexp.MustCompile("User|Role|Grant|Revoke|Privilege|Password|RBAC|Database|Version")

func TestTheClientHasTheMethodsAndNoOthers(t *testing.T) {
	client := reflect.TypeFor[*milvusclient.Client]()
	for _, name := range methods {
		if _, found := client.MethodByName(name); !found && name != "New" {
			t.Errorf("the client has no %s", name)
		}
	}
	for i := range client.NumMethod() {
		if name := client.Method(i).Name; access.MatchString(name) && !slices.Contains(methods, name) {
			t.Errorf("%s is not in the list of methods", name)
		}
	}
}
