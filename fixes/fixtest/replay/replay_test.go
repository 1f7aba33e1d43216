package replay

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// without are the staged packages that record no host in this way, and why.
var without = map[string]string{
	"cmd/gendocs/staged":           "a browser looks at the site",
	"platform/installation/staged": "the survey runs alone, and platform knows no fix; every other record has a survey in it",
	"platform/nixconf/staged":      "Nix and lixfix read single files; no fix looks",
	"platform/staged":              "root writes files; no fix looks",
	"scripts/ansible/staged":       "the collection records hosts itself, and the controller looks at their records",
	"scripts/nix/staged":           "Nix evaluates and builds lixfix; there is no host",
}

// TestStagedHosts: whatever stages hosts for fixes to look at records them as well, or is listed with a reason.
func TestStagedHosts(t *testing.T) {
	const top = "../../.."
	var rows []string
	found := 0
	err := filepath.WalkDir(top, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || d.Name() != "staged" {
			return err
		}
		tests, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil || len(tests) == 0 {
			return err
		}
		records := false
		for _, name := range tests {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			records = records || strings.Contains(string(data), "replay.Table") && strings.Contains(string(data), "fmt.Println(&replays)")
		}
		name, err := filepath.Rel(top, dir)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		why, listed := without[name]
		switch {
		case records == listed:
			t.Errorf("%s: records hosts: %v; is listed as one that does not: %v", name, records, listed)
		case records:
			why = "records its hosts, and looks at the records outside"
		}
		found++
		rows = append(rows, fmt.Sprintf("%-32s %s", name, why))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found <= len(without) {
		t.Errorf("%d packages were found", found)
	}
	slices.Sort(rows)
	t.Logf("\n%s", strings.Join(rows, "\n"))
}
