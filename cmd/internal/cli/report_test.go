package cli

import (
	"strings"
	"testing"
)

// report describes every fix, from its findings where it adds nothing of its own.
func TestReportOfFindings(t *testing.T) {
	w := newWorld(t, "red", "blue", "dark")
	r := w.run("report", "paint").ends(Healthy).says("`lixfix report paint`", "### paint: The walls have the wrong colour",
		"- `paint/wall-1` (broken): `wall 1 is red`", "`/walls/1`: `red`, and should be `blue`", "`it is dark in there`", "### Host")
	if !strings.Contains(r.out, "- `paint/wall-2` (ok)") {
		t.Errorf("what is well is told as well, where the fix is named:\n%s", r.out)
	}
	w.run("report").ends(Healthy).says("`lixfix report`", "paint/wall-1")
	w.run("report", "--format", "json").ends(Healthy)
	w.run("report", "piant").ends(Usage).says(`did you mean "paint"?`)
	newWorld(t, "blue").run("report").ends(Healthy).says("found no known problem on this host").not("wall")
}
