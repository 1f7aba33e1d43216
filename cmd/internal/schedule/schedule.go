// Package schedule plans a job that checks the host after each start of the system, and so after each upgrade of it.
// The job only looks and reports: to a log and, where that is wanted, to Prometheus.
package schedule

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/pattern"
	"github.com/lixfix/lixfix/platform/systemd"
)

// Name stands for the fix in the plans of this package.
const Name = "schedule"

const (
	label  = "io.github.lixfix.check"
	job    = "/Library/LaunchDaemons/" + label + ".plist"
	report = "/var/log/lixfix.log" // of the job on macOS; on Linux it goes to the journal of systemd
	unit   = "lixfix-check.service"
	target = "multi-user.target"

	timer       = "lixfix-check.timer" // where metrics are written
	timerTarget = "timers.target"
)

// File is what Install writes on this kind of host, and Report says where the job reports.
func File(f platform.Facts) (file, reports string) {
	if f.OS == platform.Darwin {
		return job, report
	}
	return path.Join(systemd.Units, unit), "journalctl -u " + unit
}

// Install plans the job. program is the absolute name of the lixfix that it runs. With metrics, the absolute name of a
// file, it writes that for Prometheus each time, and runs every hour as well: what is shown has to be of today, and to
// end with what it is about. The error is a *fix.Refusal where the job would be a danger or of no use.
func Install(ctx context.Context, v platform.View, program, metrics string) (plan.Plan, error) {
	if err := trusted(ctx, v, program); err != nil {
		return plan.Plan{}, err
	}
	if metrics != "" {
		if err := publishable(ctx, v, metrics); err != nil {
			return plan.Plan{}, err
		}
	}
	file, _ := File(v.Facts())
	before, err := step.ReadFileState(ctx, v, file)
	if err != nil {
		return plan.Plan{}, fmt.Errorf("read %s: %w", file, err)
	}
	write := func(content []byte) step.WriteFile {
		return step.WriteFile{
			Name: file, Before: before, After: step.NewFileState(platform.Content{Data: content, Mode: 0o644}),
			Why: "check this host after every boot",
		}
	}
	steps := []plan.Write{write(launchdJob(program, metrics))}
	if v.Facts().OS != platform.Darwin {
		if err := systemdManaged(ctx, v); err != nil {
			return plan.Plan{}, err
		}
		steps = []plan.Write{write(systemdUnit(program, metrics)), step.EnableUnit{Unit: unit, Target: target, On: true}}
		clock, err := clocked(ctx, v, metrics != "")
		if err != nil {
			return plan.Plan{}, err
		}
		steps = append(steps, clock...)
	}
	if old := written(before); old != metrics {
		steps = append(steps, stale(ctx, v, old)...)
	}
	return pending(ctx, v, plan.Plan{Schema: plan.Schema, Fix: Name}, steps)
}

// clocked are the steps that have systemd run the job every hour, or no longer.
func clocked(ctx context.Context, v platform.View, on bool) ([]plan.Write, error) {
	file := path.Join(systemd.Units, timer)
	before, err := step.ReadFileState(ctx, v, file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	enable := step.EnableUnit{Unit: timer, Target: timerTarget, On: on}
	if !on {
		return []plan.Write{enable, step.WriteFile{Name: file, Before: before, Why: "no longer check this host every hour"}}, nil
	}
	after := step.NewFileState(platform.Content{Data: []byte(systemdTimer), Mode: 0o644})
	return []plan.Write{step.WriteFile{Name: file, Before: before, After: after, Why: "check this host every hour"}, enable}, nil
}

// Remove plans the end of the job, and of the file for Prometheus: nobody would keep it true any more.
func Remove(ctx context.Context, v platform.View) (plan.Plan, error) {
	file, _ := File(v.Facts())
	before, err := step.ReadFileState(ctx, v, file)
	if err != nil {
		return plan.Plan{}, fmt.Errorf("read %s: %w", file, err)
	}
	var steps []plan.Write
	if v.Facts().OS != platform.Darwin {
		if steps, err = clocked(ctx, v, false); err != nil {
			return plan.Plan{}, err
		}
		steps = append(steps, step.EnableUnit{Unit: unit, Target: target})
	}
	steps = append(steps, step.WriteFile{Name: file, Before: before, Why: "no longer check this host after every boot"})
	return pending(ctx, v, plan.Plan{Schema: plan.Schema, Fix: Name}, append(steps, stale(ctx, v, written(before))...))
}

// output finds in a job the file that it writes.
var output = pattern.New(`--output(?: |</string>\s*<string>)([^\s<]+)`)

// written is the file that a job writes for Prometheus, "" for none.
func written(job *step.FileState) string {
	if job == nil {
		return ""
	}
	if m := output.FindStringSubmatch(string(job.Data())); m != nil && metricsForm.MatchString(m[1]) {
		return m[1]
	}
	return ""
}

// stale removes a file that a job has written. What is something else by now, or where others can change it, is left.
func stale(ctx context.Context, v platform.View, file string) []plan.Write {
	if file == "" || v.Guarded(ctx, file) != nil {
		return nil
	}
	before, err := step.ReadFileState(ctx, v, file)
	if err != nil || before == nil || !bytes.HasPrefix(before.Data(), []byte(render.MetricsBegin)) {
		return nil
	}
	return []plan.Write{step.WriteFile{Name: file, Before: before, Why: "remove metrics that nothing updates any more"}}
}

// metricsForm are names that a unit and a job take as they are, and that node_exporter reads.
var metricsForm = pattern.New(`^/[A-Za-z0-9/._+-]+\.prom$`)

// publishable refuses a file that the job could not write, or that nobody would read.
func publishable(ctx context.Context, v platform.View, file string) error {
	dir := path.Dir(file)
	refuse := func(reason, next string, err error) error {
		return &fix.Refusal{ID: Name, Reason: reason, Err: err, Next: next}
	}
	const example = "Name another one, such as --prometheus /var/lib/node_exporter/lixfix.prom."
	if !metricsForm.MatchString(file) || path.Clean(file) != file {
		return refuse(fmt.Sprintf("%q is not an absolute name that ends in .prom and has only letters, digits and /._+-", file), example, nil)
	}
	for _, private := range []string{"/tmp/", "/var/tmp/", "/dev/", "/proc/", "/sys/"} {
		if strings.HasPrefix(file, private) {
			return refuse("the job has its own "+private+", which node_exporter cannot see", example, nil)
		}
	}
	switch info, err := v.Stat(ctx, dir); {
	case errors.Is(err, fs.ErrNotExist):
		return refuse("there is no directory "+dir, "Make it with \"sudo mkdir -m 0755 "+dir+"\", then run the command again.", err)
	case err != nil:
		return refuse("look at "+dir, example, err)
	case info.Mode.Perm()&0o005 != 0o005 && info.Mode&fs.ModeSymlink == 0:
		return refuse(fmt.Sprintf("node_exporter cannot read %s, which has mode %04o", dir, info.Mode.Perm()),
			"Let it with \"sudo chmod 0755 "+dir+"\", or name a file in another directory.", nil)
	}
	if err := v.Guarded(ctx, file); err != nil {
		return refuse(err.Error(), "Name a file in a directory that only root can change: \"sudo mkdir -m 0755 /var/lib/node_exporter\", then "+
			"--prometheus /var/lib/node_exporter/lixfix.prom. If node_exporter reads another directory, put a link to the file there.", err)
	}
	now, err := step.ReadFileState(ctx, v, file)
	if err != nil {
		return refuse("read "+file, example, err)
	}
	if now != nil && now.Size > 0 && !bytes.HasPrefix(now.Data(), []byte(render.MetricsBegin)) {
		return refuse(file+" exists, and lixfix did not write it", "Move it away, or name another file.", nil)
	}
	return nil
}

// pending makes the steps entries of p that are not so already.
func pending(ctx context.Context, v platform.View, p plan.Plan, steps []plan.Write) (plan.Plan, error) {
	pass := plan.NewPass(v)
	for _, s := range steps {
		state, why, err := s.State(ctx, pass)
		if err != nil {
			return plan.Plan{}, err
		}
		switch state {
		case plan.Applied:
			continue
		case plan.Pending:
		default:
			return plan.Plan{}, &fix.Refusal{ID: Name, Reason: why, Next: "Look at it and move it away; then run the command again."}
		}
		p.Entries = append(p.Entries, plan.Entry{Step: s, For: Name})
	}
	return p, nil
}

var programForm = pattern.New(`^/[A-Za-z0-9/._+-]+$`)

// trusted refuses a program that anybody but root can replace: a job that root runs would be theirs.
func trusted(ctx context.Context, v platform.View, program string) error {
	refuse := func(reason string, err error) error {
		return &fix.Refusal{
			ID: Name, Reason: reason, Err: err,
			Next: "Install lixfix where only root can write, such as with --prefix /opt/lixfix, and run that one.",
		}
	}
	if !programForm.MatchString(program) || path.Clean(program) != program {
		return refuse(fmt.Sprintf("root cannot run %q after every boot", program), nil)
	}
	for name := program; ; name = path.Dir(name) {
		info, err := v.Stat(ctx, name)
		if err != nil {
			return refuse("look at "+name, err)
		}
		// A link would have to be followed through directories that were not looked at.
		if info.Mode&fs.ModeSymlink != 0 {
			return refuse(name+" is a symbolic link", nil)
		}
		if info.UID != 0 || info.Mode.Perm()&0o022 != 0 {
			return refuse(fmt.Sprintf("users other than root can change %s (user ID %d, mode %04o)", name, info.UID, info.Mode.Perm()), nil)
		}
		if name == "/" {
			break
		}
	}
	// What a user has mounted there says of its files that they are root's.
	if _, err := v.Trusted(ctx, program); err != nil {
		return refuse(err.Error(), err)
	}
	return nil
}

// systemdManaged refuses hosts whose units do not come from files that an administrator writes.
func systemdManaged(ctx context.Context, v platform.View) error {
	if _, err := v.Stat(ctx, "/etc/NIXOS"); err == nil {
		return &fix.Refusal{
			ID: Name, Reason: "NixOS makes its units from the configuration of the system",
			Next: "Set services.lixfix.enable there, with lixfix's module for NixOS (the flake github:lixfix/lixfix?dir=scripts/nix), " +
				"or declare a service that runs \"lixfix check\".",
		}
	}
	if _, err := v.Stat(ctx, systemd.Tool); errors.Is(err, fs.ErrNotExist) {
		return &fix.Refusal{
			ID: Name, Reason: "this host has no systemd (" + systemd.Tool + " is missing)",
			Next: "Let its own scheduler run \"lixfix check --quiet\" as root; the exit code says what was found.",
		}
	}
	return nil
}

// systemdUnit is a unit that fails where something was found, so that "systemctl --failed" shows it too.
//
// It is confined to what detection needs, and sees no less than without: it looks at the processes and files of everybody
// and writes nothing. The bounding set:
//
//	CAP_DAC_READ_SEARCH            files and directories of users
//	CAP_SYS_PTRACE                 their processes, which ProtectProc would hide, and what /proc tells of them
//	CAP_NET_ADMIN, CAP_NET_RAW     nft and iptables-save list the rules of the firewall
//	CAP_SETUID, _SETGID, _SETPCAP  Nix is asked as another user than root
//
// /dev is private but for /dev/net, whose tun is looked at and not opened. The kernel's log is closed: the journal has its
// messages, and cannot be emptied from here. A system call that is not allowed fails like one that root may not make.
//
// With metrics, the directory of that file can be written to as well: a unit that finds no such directory runs all the
// same, and says that it could not write.
func systemdUnit(program, metrics string) []byte {
	more, writes := "", ""
	if metrics != "" {
		more, writes = " --format prometheus --output "+metrics, "ReadWritePaths=-"+path.Dir(metrics)+"\n"
	}
	return fmt.Appendf(nil, `# Written by "lixfix schedule install", removed by "lixfix schedule remove".
[Unit]
Description=Check for known issues of Lix and Nix installations
Documentation=man:lixfix-check(1)
After=nix-daemon.socket

[Service]
Type=oneshot
ExecStart=%s check --quiet%s
Nice=10
TimeoutStartSec=10min

# It looks at everything and changes nothing.
ProtectSystem=strict
%sProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
BindReadOnlyPaths=-/dev/net
PrivateMounts=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SYS_PTRACE
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW
CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_SETPCAP
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=%s
`, program, more, writes, target)
}

// systemdTimer starts the job at another minute on each host: they may ask the same name servers.
const systemdTimer = `# Written by "lixfix schedule install", removed by "lixfix schedule remove".
[Unit]
Description=Check every hour for known issues of Lix and Nix installations
Documentation=man:lixfix-schedule(1)

[Timer]
OnCalendar=hourly
RandomizedDelaySec=30min

[Install]
WantedBy=` + timerTarget + `
`

// launchdJob is a job that names lixfix itself: System Settings lists jobs by their program, and shows a shell as "sh".
func launchdJob(program, metrics string) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	b.WriteString(`<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- Written by "lixfix schedule install", removed by "lixfix schedule remove". -->
<plist version="1.0">
<dict>
`)
	text := func(s string) string {
		var e strings.Builder
		_ = xml.EscapeText(&e, []byte(s))
		return e.String()
	}
	fmt.Fprintf(&b, "\t<key>Label</key>\n\t<string>%s</string>\n", text(label))
	b.WriteString("\t<key>ProgramArguments</key>\n\t<array>\n")
	args := []string{program, "check", "--quiet"}
	if metrics != "" {
		args = append(args, "--format", "prometheus", "--output", metrics)
	}
	for _, arg := range args {
		fmt.Fprintf(&b, "\t\t<string>%s</string>\n", text(arg))
	}
	b.WriteString("\t</array>\n\t<key>RunAtLoad</key>\n\t<true/>\n\t<key>ProcessType</key>\n\t<string>Background</string>\n")
	if metrics != "" {
		b.WriteString("\t<key>StartInterval</key>\n\t<integer>3600</integer>\n")
	}
	for _, stream := range []string{"StandardOutPath", "StandardErrorPath"} {
		fmt.Fprintf(&b, "\t<key>%s</key>\n\t<string>%s</string>\n", stream, text(report))
	}
	b.WriteString("</dict>\n</plist>\n")
	return b.Bytes()
}
