package fixtest_test

import (
	"os"
	"strings"
	"testing"
)

// TestContributing: CONTRIBUTING.md shows the files of the example as they are.
func TestContributing(t *testing.T) {
	page, err := os.ReadFile("../../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kinds.go", "netrc.go", "netrc_test.go"} {
		code, err := os.ReadFile("netrc/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(page), "```go\n"+string(code)+"```\n") {
			t.Errorf("CONTRIBUTING.md shows another %s", name)
		}
	}
}
