package render

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
)

// Labels are names from lixfix's tables; should another text get into one, it stays there.
func TestPrometheusEscapes(t *testing.T) {
	r := Report{Lixfix: "1.0\"} 1\nevil{x=\"\\", Fixes: []Fix{{Name: "a", Status: fix.Broken, Findings: []fix.Finding{
		{ID: "a/b", Status: fix.Broken, Summary: "alice"}, {ID: "a/b", Status: fix.Broken, Reason: "bob"}, {ID: "a/b", Status: fix.Unknown},
	}}}}
	text := string(Prometheus(r, time.Unix(1_750_000_000, 500_000_000), 1500*time.Millisecond))
	if !strings.HasPrefix(text, MetricsBegin) {
		t.Errorf("it begins otherwise:\n%s", text)
	}
	for _, want := range []string{
		`lixfix_build_info{version="1.0\"} 1 evil{x=\"\\"} 1` + "\n", "lixfix_check_timestamp_seconds 1750000000.5\n", "lixfix_check_duration_seconds 1.5\n",
		`lixfix_findings{fix="a",finding="a/b",status="broken"} 2` + "\n", `lixfix_findings{fix="a",finding="a/b",status="unknown"} 1` + "\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in\n%s", want, text)
		}
	}
	for _, name := range []string{"alice", "bob"} {
		if strings.Contains(text, name) {
			t.Errorf("%s is in\n%s", name, text)
		}
	}
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
