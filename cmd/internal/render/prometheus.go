package render

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lixfix/lixfix/fixes/fix"
)

// MetricsBegin is how every text that Prometheus makes begins. Files with another beginning are not lixfix's.
const MetricsBegin = "# HELP lixfix_build_info "

// Prometheus is the report of a check in the text format of Prometheus, version 0.0.4, as the textfile collector of
// node_exporter reads it. Labels hold names from lixfix's own tables and its version, and nothing else of the host.
//
// A status is a set of series, of which one is 1 and the others are 0: what could not be told is then neither 0 nor
// absent, but the series "unknown". Findings that are not there have no series, for a 0 would say that they had been
// looked for; where that was in vain, the fix is "unknown". at is when the check ended, and took how long it was.
func Prometheus(r Report, at time.Time, took time.Duration) []byte {
	var b metrics
	b.begin("build_info", "Version of lixfix that checked this host.")
	b.sample(1, "version", r.Lixfix)
	b.begin("check_timestamp_seconds", "Unix time at which the check ended.")
	b.sample(float64(at.UnixMilli()) / 1000)
	b.begin("check_duration_seconds", "How long the check took.")
	b.sample(took.Seconds())
	b.begin("check_exit_code", "Exit code of the check, as in lixfix check --help: 0 for a healthy host.")
	b.sample(float64(r.Exit))
	b.begin("fix_status", "What a fix found on this host: 1 for its current status, 0 for the others.")
	for _, f := range r.Fixes {
		b.set(string(f.Status), []string{
			string(fix.OK), string(fix.AtRisk), string(fix.Broken), string(fix.Unknown), string(fix.NotApplicable),
		}, "fix", f.Name)
	}
	b.begin("findings", "How often the check found this, by status.")
	for _, f := range r.Fixes {
		b.found(f)
	}
	b.begin("journal_status", "Whether a repair was cut short and has to be resumed or undone: 1 for the current status, 0 for the others.")
	journal := "settled"
	switch {
	case len(r.Waiting) > 0:
		journal = "unfinished"
	case len(r.Problems) > 0:
		journal = string(fix.Unknown)
	}
	b.set(journal, []string{"settled", "unfinished", string(fix.Unknown)})
	return b.Bytes()
}

// metrics is a text in the format of Prometheus that is being written.
type metrics struct {
	bytes.Buffer
	name string
}

// begin begins a metric, a gauge.
func (b *metrics) begin(name, help string) {
	b.name = "lixfix_" + name
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %[1]s gauge\n", b.name, help)
}

// inLabel escapes the value of a label: its text ends at a quote, and its line at a line feed.
var inLabel = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// sample writes a value of the metric; labels are names, each with its value.
func (b *metrics) sample(value float64, labels ...string) {
	b.WriteString(b.name)
	for i := 0; i+1 < len(labels); i += 2 {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		b.WriteString(labels[i] + `="` + inLabel.Replace(Clean(labels[i+1])) + `"`)
	}
	if len(labels) > 0 {
		b.WriteString("}")
	}
	b.WriteString(" " + strconv.FormatFloat(value, 'f', -1, 64) + "\n")
}

// set writes a value for each status that there can be.
func (b *metrics) set(is string, all []string, labels ...string) {
	for _, one := range all {
		value := 0.0
		if one == is {
			value = 1
		}
		b.sample(value, append(labels, "status", one)...)
	}
}

// found writes how often each finding of a fix was found with each status, in the order in which they came.
func (b *metrics) found(f Fix) {
	type kind struct {
		id     string
		status fix.Status
	}
	var order []kind
	times := map[kind]int{}
	for _, one := range f.Findings {
		k := kind{one.ID, one.Status}
		if times[k]++; times[k] == 1 {
			order = append(order, k)
		}
	}
	for _, k := range order {
		b.sample(float64(times[k]), "fix", f.Name, "finding", k.id, "status", string(k.status))
	}
}
