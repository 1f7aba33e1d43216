package render_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/cmd/internal/render"
	"github.com/lixfix/lixfix/fixes"
	"github.com/lixfix/lixfix/fixes/known"
)

// TestMessagesAreShown: what a user may see looks like what holds a secret, such as a line of nix.conf, and has "…" in its
// place. In the messages of a host, the secret is taken out as ever.
func TestMessagesAreShown(t *testing.T) {
	all := known.Pages()
	for _, f := range fixes.All() {
		all = append(all, f.Kinds()...)
	}
	for _, k := range all {
		kind := render.Kind{ID: k.ID, Status: k.Status, Messages: k.Messages}
		page := render.NewText(render.Style{})
		page.ExplainKind(kind)
		var text, data bytes.Buffer
		if _, err := page.WriteTo(&text); err != nil {
			t.Fatal(err)
		}
		if err := render.JSON(&data, render.Report{Kinds: []render.Kind{kind}}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Join(strings.Fields(text.String()), " ") // they are wrapped
		for _, m := range kind.Messages {
			if !strings.Contains(lines, strings.Join(strings.Fields(m), " ")) {
				t.Errorf("%s: the page has no %q:\n%s", kind.ID, m, &text)
			}
		}
		if strings.Contains(data.String(), "[redacted]") {
			t.Errorf("%s: %s", kind.ID, &data)
		}
	}
	secret := "illegal configuration line 'access-tokens = github.com=ghp_0123456789abcdef0123456789abcdef0123' in '/etc/nix/nix.conf'"
	kind := render.Kind{Messages: []string{"illegal configuration line '…' in '…'"}, Here: &render.Here{Is: render.NotKnown, Why: secret}}
	page := render.NewText(render.Style{})
	page.ExplainKind(kind)
	var out bytes.Buffer
	if _, err := page.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	if err := render.JSON(&out, render.Report{Kinds: []render.Kind{kind}}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "ghp_") {
		t.Errorf("a secret is shown:\n%s", &out)
	}
}
