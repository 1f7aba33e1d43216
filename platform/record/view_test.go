package record

import (
	"slices"
	"testing"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/platformtest/memory"
)

// TestAgain: whoever looks again is told what was told before, and of what only others were told, what that was by then. A
// question that still waits for its answer is asked of the host.
func TestAgain(t *testing.T) {
	host := memory.New(platform.Facts{OS: platform.Linux}, "/etc/y = z\n")
	set := func(data string) { host.Files["/etc/x"] = memory.File{Data: data, Mode: 0o644} }
	rec := New(host)
	read := func(v *View) string {
		t.Helper()
		data, err := v.ReadFile(t.Context(), "/etc/x")
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	other, again := rec.Watch("other", host), rec.Again("this", host)
	fill := rec.reserve("slow", "read", []string{"/etc/x"}) // it waits
	set("1")
	got := []string{read(rec.Again("first", host)), read(other)}
	set("2")
	fill(&answer{data: []byte("0")})
	got = append(got, read(other), read(again))
	set("3")
	got = append(got, read(other), read(again), read(rec.Again("other", host)))
	if want := []string{"1", "1", "2", "0", "3", "0", "1"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	// A record says the same.
	this, first := rec.View("this"), rec.View("first")
	if got := []string{read(this), read(this), read(first)}; !slices.Equal(got, []string{"0", "0", "1"}) {
		t.Errorf("of the record: %q", got)
	}
}
