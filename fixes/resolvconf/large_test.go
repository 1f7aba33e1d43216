package resolvconf_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/resolvconf"
)

// TestLargeFiles: a file with megabytes of comments is as good as one without. Of a larger one lixfix says that it has
// not read it.
func TestLargeFiles(t *testing.T) {
	tests := []struct {
		name, data string
		status     fix.Status
		id, says   string
	}{
		{
			"3 MB of comments", strings.Repeat("# nobody's\n", 3_000_000/11) + "nameserver " + live + "\n",
			fix.OK, "works", "",
		},
		{"40,000 lines for some", strings.Repeat("nameserver 192.0.2.10 192.0.2.10\nnameserver\t192.0.2.10\n",
			20_000), fix.OK, "works", ""},
		{
			"5 MB", strings.Repeat("# nobody's\n", 5_000_000/11) + "nameserver " + live + "\n", fix.Unknown,
			"not-known", "more than 4 MiB",
		},
		{"a sparse gigabyte", "", fix.Unknown, "not-known", "more than 4 MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			h.conf(tt.data)
			if tt.data == "" {
				h.sparse("etc/resolv.conf", 1<<30)
			}
			began := cpu(t)
			found, err := resolvconf.New().Detect(t.Context(), h, nil)
			if err != nil {
				t.Fatal(err)
			}
			// Of the processor, because others may keep it busy; some of it is other tests'.
			if took := cpu(t) - began; took > 5*time.Second {
				t.Errorf("it took %v of the processor", took)
			}
			if !slices.Contains(ids(found, tt.status), tt.id) {
				t.Errorf("want %s, got %+v", tt.id, found)
			}
			evidence := 0
			said := false
			for _, f := range found {
				evidence += len(f.Evidence)
				said = said || strings.Contains(f.Summary+f.Reason, tt.says)
				if tt.status == fix.Unknown && f.Status == fix.OK {
					t.Errorf("something is fine: %+v", f)
				}
			}
			if evidence > 200 || !said {
				t.Errorf("%d pieces of evidence, said %v", evidence, said)
			}
		})
	}
}

// TestLargeSettings: a name or a setting of megabytes is none.
func TestLargeSettings(t *testing.T) {
	h := newHost(t)
	h.sparse("etc/nsswitch.conf", 1<<30)
	found, err := resolvconf.New().Detect(t.Context(), h, nil)
	if err != nil || len(found) != 1 || found[0].Status != fix.OK {
		t.Errorf("%+v, %v", found, err)
	}
}

// cpu is how long this process has run so far, without what it waited for.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
