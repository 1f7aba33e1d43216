//go:build linux

// Package staged has a real Prometheus and a real node_exporter watch a host whose first process is systemd: its daemon
// breaks, the alert fires, lixfix repairs it, the alert ends.
package staged

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lixfix/lixfix/fixes/fixtest/replay"
	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// replays compares what is said of hosts with what is said of their records.
var replays replay.Table

func TestMain(m *testing.M) {
	code := m.Run()
	fmt.Println(&replays)
	linuxnet.Clean()
	os.Exit(code)
}

const (
	program  = "/opt/lixfix/bin/lixfix"
	unit     = "lixfix-check.service"
	metrics  = "/var/lib/node_exporter/lixfix.prom"
	textfile = "/var/lib/prometheus/node-exporter" // where Debian's node_exporter reads; its user can change the directory
	usr      = "/usr/lib/systemd/system/"
	// Both have an address of the loopback interface, in the host's own network.
	exporter = "127.0.0.1:9100"
	server   = "127.0.0.1:9090"
)

const (
	socketText  = "[Unit]\nDescription=Nix Daemon Socket\n[Socket]\nListenStream=/nix/var/nix/daemon-socket/socket\n[Install]\nWantedBy=sockets.target\n"
	serviceText = "[Unit]\nDescription=Nix Daemon\n[Service]\nExecStart=@/usr/bin/nix-daemon nix-daemon --daemon\nKillMode=process\n[Install]\nWantedBy=multi-user.target\n"
	config      = `
global:
  scrape_interval: 1s
  scrape_timeout: 1s
  evaluation_interval: 1s
rule_files: [/etc/prometheus-test/lixfix.rules.yml]
scrape_configs:
  - job_name: node
    static_configs: [{targets: ["` + exporter + `"]}]
`
)

// stage makes a host with systemd, a Nix daemon that answers, and names that resolve.
func stage(t *testing.T) *linuxnet.Host {
	t.Helper()
	h := linuxnet.New(t, linuxnet.Options{Systemd: true, Nix: true})
	h.Copy(t, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"), program, 0o755)
	h.Run(t, "mkdir", "-p", "/nix/var/nix/daemon-socket", "/etc/systemd/system/sockets.target.wants", textfile)
	// A sandbox mounts a /proc of its own, which the machine that runs the tests may not let it.
	h.Run(t, "sed", "-i", "s/^sandbox .*/sandbox = false/", "/etc/nix/nix.conf")
	h.WriteFile(t, usr+"nix-daemon.socket", socketText, 0o644)
	h.WriteFile(t, usr+"nix-daemon.service", serviceText, 0o644)
	h.Symlink(t, usr+"nix-daemon.socket", "/etc/systemd/system/sockets.target.wants/nix-daemon.socket")
	h.Start(t, h.Command("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file=",
		"--bind-interfaces", "--listen-address="+linuxnet.Addr4, "--address=/#/127.0.0.1", "--address=/#/::1"))
	h.WriteFile(t, "/etc/resolv.conf", "nameserver "+linuxnet.Addr4+"\n", 0o644)
	h.Boot(t)
	return h
}

// watch starts node_exporter, as a user of its own, and Prometheus with the rules that lixfix has.
func watch(t *testing.T, h *linuxnet.Host) {
	t.Helper()
	rules, err := os.ReadFile("../lixfix.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	h.WriteFile(t, "/etc/prometheus-test/lixfix.rules.yml", string(rules), 0o644)
	h.WriteFile(t, "/etc/prometheus-test/prometheus.yml", config, 0o644)
	h.Start(t, h.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--",
		"prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile", "--collector.textfile.directory="+textfile,
		"--web.listen-address="+exporter))
	h.Start(t, h.Command("prometheus", "--config.file=/etc/prometheus-test/prometheus.yml", "--storage.tsdb.path=/var/tmp/prometheus-test",
		"--web.listen-address="+server))
}

// until waits for a state, and fails with what there is instead.
func until(t *testing.T, what string, reached func() (bool, string)) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		ok, is := reached()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("never: %s; it is\n%s", what, is)
		}
	}
}

// scraped are the series that node_exporter shows of lixfix.
func scraped(h *linuxnet.Host) string {
	out, err := h.Command("curl", "-sf", "http://"+exporter+"/metrics").Output()
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// value asks Prometheus for the only value of an expression, "" for none.
func value(h *linuxnet.Host, expression string) (string, string) {
	out, err := h.Command("curl", "-sfG", "http://"+server+"/api/v1/query", "--data-urlencode", "query="+expression).CombinedOutput()
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any
			}
		}
	}
	if err != nil || json.Unmarshal(out, &answer) != nil || len(answer.Data.Result) != 1 {
		return "", string(out)
	}
	text, _ := answer.Data.Result[0].Value[1].(string)
	return text, string(out)
}

// firing are the fixes about which the alert for what is broken fires. Without a sandbox for builds, others are at risk.
func firing(t *testing.T, h *linuxnet.Host) []string {
	t.Helper()
	var answer struct {
		Status string
		Data   struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
	}
	out := h.Run(t, "curl", "-sf", "http://"+server+"/api/v1/alerts")
	if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.Status != "success" {
		t.Fatalf("%v\n%s", err, out)
	}
	var all []string
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" && a.Labels["alertname"] == "LixfixBroken" {
			all = append(all, a.Labels["fix"])
		}
	}
	slices.Sort(all)
	return all
}

// check runs the scheduled job to its end, and waits until Prometheus has what it wrote.
func check(t *testing.T, h *linuxnet.Host, exit string) {
	t.Helper()
	_ = h.Command("/usr/bin/systemctl", "start", unit).Run() // it fails where something was found
	data, err := os.ReadFile(h.Path(metrics))
	if err != nil {
		t.Fatalf("%v\n%s", err, h.Run(t, "/usr/bin/journalctl", "-q", "--no-pager", "-u", unit))
	}
	promtool := exec.Command("promtool", "check", "metrics")
	promtool.Stdin = strings.NewReader(string(data))
	if out, err := promtool.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
	_, after, _ := strings.Cut(string(data), "\nlixfix_check_timestamp_seconds ")
	at, _, _ := strings.Cut(after, "\n")
	if !strings.Contains(string(data), "\nlixfix_check_exit_code "+exit+"\n") {
		t.Errorf("it should end with %s:\n%s", exit, data)
	}
	until(t, "Prometheus has the check of "+at, func() (bool, string) {
		is, all := value(h, "lixfix_check_timestamp_seconds == "+at)
		return is != "", all
	})
}

func TestAlert(t *testing.T) {
	h := stage(t)
	// Root does not write where the user of node_exporter can exchange what it writes.
	if out, err := h.Command(program, "schedule", "install", "--yes", "--prometheus", textfile+"/lixfix.prom").CombinedOutput(); err == nil ||
		!strings.Contains(string(out), "which can be changed by") {
		t.Errorf("root writes to a directory of others: %v\n%s", err, out)
	}
	h.Run(t, "mkdir", "-m", "0755", "/var/lib/node_exporter")
	h.Symlink(t, metrics, textfile+"/lixfix.prom")
	h.Run(t, program, "schedule", "install", "--yes", "--prometheus", metrics)
	h.Run(t, "/usr/bin/systemctl", "start", "lixfix-check.timer")
	if next := h.Run(t, "/usr/bin/systemctl", "list-timers", "--no-legend", "--no-pager", "lixfix-check.timer"); !strings.Contains(next, unit) {
		t.Errorf("the timer does not run: %q", next)
	}
	watch(t, h)
	check(t, h, "0")
	if all := firing(t, h); len(all) > 0 {
		t.Errorf("a healthy host has alerts: %v", all)
	}

	h.Run(t, "sh", "-c", "systemctl stop nix-daemon.socket nix-daemon.service; systemctl mask nix-daemon.socket nix-daemon.service")
	check(t, h, "1")
	until(t, "the alert fires", func() (bool, string) {
		all := firing(t, h)
		return slices.Equal(all, []string{"daemon"}), strings.Join(all, ", ")
	})
	t.Log("fires: ", firing(t, h))
	replays.Record(t, "a masked daemon", h, program, linuxnet.Program(t, "github.com/lixfix/lixfix/cmd/lixfix"))

	h.Run(t, program, "repair", "daemon", "--yes", "--accept", "daemon/masked")
	check(t, h, "0")
	until(t, "the alert ends", func() (bool, string) {
		all := firing(t, h)
		return len(all) == 0, strings.Join(all, ", ")
	})

	// What cannot be written is said.
	h.Run(t, "mount", "-t", "tmpfs", "-o", "nr_inodes=1,mode=0755", "t", "/var/lib/node_exporter")
	out, err := h.Command(program, "check", "--quiet", "--format", "prometheus", "--output", metrics).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "write the metrics: ") || !strings.Contains(string(out), "no space left") {
		t.Errorf("a full disk: %v\n%s", err, out)
	}
	h.Run(t, "umount", "/var/lib/node_exporter")

	h.Run(t, program, "schedule", "remove", "--yes")
	until(t, "nothing is shown any more", func() (bool, string) {
		all := scraped(h)
		return strings.Contains(all, "node_textfile_scrape_error") && !strings.Contains(all, "\nlixfix_"), all
	})
	for _, name := range []string{metrics, "/etc/systemd/system/" + unit, "/etc/systemd/system/lixfix-check.timer"} {
		if _, err := os.Lstat(h.Path(name)); err == nil {
			t.Errorf("%s is left", name)
		}
	}
}

// TestRules plays the rules on series of hours.
func TestRules(t *testing.T) {
	for _, args := range [][]string{{"check", "rules", "lixfix.rules.yml"}, {"test", "rules", "lixfix_test.yml"}} {
		cmd := exec.Command("promtool", args...)
		cmd.Dir = ".."
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
