package schedule_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/cmd/internal/schedule"
	"github.com/lixfix/lixfix/platform"
)

// TestNixOS compares the job of the module for NixOS with the one that is installed elsewhere: what confines one confines
// the other.
func TestNixOS(t *testing.T) {
	const nix = "../../../scripts/nix/testdata"
	m, root := host(t, platform.Linux)
	if err := os.Mkdir(filepath.Join(root, "opt/metrics"), 0o755); err != nil {
		t.Fatal(err)
	}
	for metrics, settings := range map[string]string{"": `{ enable = true; }`, prom: `{ enable = true; prometheusFile = "` + prom + `"; }`} {
		p, err := schedule.Install(t.Context(), m, program, metrics)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string][]string{}
		for _, data := range p.Blobs() {
			_, service, ok := strings.Cut(string(data), "[Service]\n")
			if !ok {
				continue // the timer
			}
			service, _, _ = strings.Cut(service, "\n[Install]")
			for line := range strings.Lines(service) {
				if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && line[0] != '#' {
					want[key] = append(want[key], value)
				}
			}
		}
		cmd := exec.Command("nix-instantiate", "--eval", "--strict", "--json", "-E", fmt.Sprintf(
			`(import ./%s/modules.nix { lib = import ./%[1]s/nixpkgs/lib.nix; program = %q; } { system = "nixos"; settings = %s; }).systemd.services.lixfix-check.serviceConfig`,
			nix, strings.TrimSuffix(program, "/bin/lixfix"), settings))
		dir := t.TempDir()
		cmd.Env = append(os.Environ(), "NIX_REMOTE=local", "NIX_CONF_DIR="+dir, "NIX_STORE_DIR="+dir+"/store", "NIX_STATE_DIR="+dir+"/state", "HOME="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var config map[string]any
		if err := json.Unmarshal(out, &config); err != nil {
			t.Fatal(err)
		}
		got := map[string][]string{}
		for key, value := range config {
			all, many := value.([]any)
			if !many {
				all = []any{value}
			}
			for _, one := range all {
				if on, ok := one.(bool); ok {
					one = map[bool]string{true: "yes", false: "no"}[on]
				}
				got[key] = append(got[key], fmt.Sprint(one))
			}
		}
		if d := cmp.Diff(want, got); d != "" || len(want) < 20 {
			t.Errorf("the jobs differ (-installed +NixOS):\n%s", d)
		}
	}
}
