package cli

import (
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes"
	"github.com/lixfix/lixfix/fixes/fix"
)

func TestExplain(t *testing.T) {
	w := newWorld(t)
	w.run("explain", "paint").ends(Healthy).says("Symptoms", "Somebody painted them.", "How to undo", "https://example.org/walls", "PAINT_TINT", "sudo lixfix repair paint")
	w.run("explain", "paint", "--format", "json").ends(Healthy)
	w.run("explain", "piant").ends(Problems).says(`did you mean "lixfix explain paint"?`)
	w.run("explain", "nothing like that").ends(Problems).says("no known issue matches", "lixfix check")
	w.run("explain", "nothing", "--format", "json").ends(Problems)
	w.run("explain", "").ends(Usage)
	w.run("explain", "<dscl_cmd>", "DS", "Error:", "-14136", "(eDSRecordNotFound)").ends(Usage).says("put the error text in quotes")
	w.run("explain", "--", "<dscl_cmd>", "DS", "Error:", "-14136", "(eDSRecordNotFound)").ends(Healthy).says("The text matches")
	w.stdin = "log\x1b[31;1merror:\x1b[0m the wall\n  \"/walls/7\" of the user ‘painter3’ is red and not blue\n"
	w.run("explain", "-").ends(Healthy).says("The text matches", "more lixfix explain paint")
	w.run("explain", "-", "--format", "json").ends(Healthy)
	w.stdin = strings.Repeat("x", pasted+1)
	w.run("explain", "-").ends(Usage).says("longer than 256 KiB")
}

func TestMatching(t *testing.T) {
	sequoia := fixes.All()[0]
	for _, text := range []string{
		"error: the user '_nixbld7' in the group 'nixbld' does not exist",
		"the user '_nixbld32' in the group 'nixbld' does not exist",
		"ERROR: the user `_nixbld12' in the group \"nixbld\"\n   does not exist",
		"error:\n       … while building\n\n       error: the user '_nixbld1' in the group 'nixbld' does not exist\n\nhint: see the wiki",
		"\x1b[31;1merror:\x1b[0m the user '\x1b[35;1m_nixbld1\x1b[0m' in the group '\x1b[35;1mnixbld\x1b[0m' does not exist",
		"error: the user 'builder3' in the group 'builders' does not exist",
		"warning: existing user '_nixbld9' has unexpected uid 400, skipping...",
	} {
		if matching(sequoia, text) == "" {
			t.Errorf("no symptom matches %q", text)
		}
	}
	for _, text := range []string{"", "x", "nixbld", "the user does not exist", "error: the store does not exist", "'_nixbld1'"} {
		if s := matching(sequoia, text); s != "" {
			t.Errorf("%q matches %q", text, s)
		}
	}
}

// Every symptom that a fix lists is found again by its own words.
func TestSymptomsMatchThemselves(t *testing.T) {
	for _, f := range append(fixes.All(), fix.Fix(&paint{name: "paint"})) {
		for _, s := range f.Doc().Symptoms {
			if matching(f, s) == "" {
				t.Errorf("%s: %q does not match itself", f.Name(), s)
			}
		}
	}
}

func FuzzMatching(f *testing.F) {
	f.Add("error: the wall '/walls/1' of the user 'painter1' is red and not blue", "the … wall")
	f.Fuzz(func(_ *testing.T, text, symptom string) {
		for _, loosely := range []bool{false, true} {
			if p := pattern(symptom, loosely); p != nil {
				p.MatchString(normal(text, loosely))
			}
		}
	})
}
