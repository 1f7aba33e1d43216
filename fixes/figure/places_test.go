package figure_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes/figure"
)

// TestChange: neighbours share a row when the same happens to them, whatever the places are, and the way back is the same
// picture with its sides exchanged.
func TestChange(t *testing.T) {
	ports := figure.Legend{Title: "Ports", ID: "port"}
	all := []figure.Place{
		{ID: 80, Before: "web", After: "web"},
		{ID: 9001, Before: "worker1"},
		{ID: 9002, Before: "worker2"},
		{ID: 9003, Before: "old"},
		{ID: 7001, After: "worker1"},
		{ID: 7002, After: "worker2"},
		{ID: 7003, After: "proxy"},
		{ID: 443, Before: "web, proxy", After: "web"},
	}
	text := func(f figure.Figure) string {
		var lines []string
		for _, r := range f.Rows {
			lines = append(lines, strings.Join(r.Cells, " | "))
		}
		return fmt.Sprintf("%s %v\n%s", f.Title, f.Heading, strings.Join(lines, "\n"))
	}
	const want = `Ports [port before after]
80 | web | stays
443 | web, proxy | web
7001–7002 | free | worker1–2
7003 | free | proxy
9001–9002 | worker1–2 | free
9003 | old | free (removed)`
	if got := text(figure.Change(all, ports)); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	const back = `Ports [port before after]
80 | web | stays
443 | web | web, proxy
7001–7002 | worker1–2 | free
7003 | proxy | free
9001–9002 | free | worker1–2
9003 | free | old (new)`
	if got := text(figure.Change(figure.Back(all), ports)); got != back {
		t.Errorf("%s\nwant\n%s", got, back)
	}
	if got := figure.Change(nil, ports); got.Title != "" || got.Rows != nil {
		t.Errorf("%+v", got)
	}
}
