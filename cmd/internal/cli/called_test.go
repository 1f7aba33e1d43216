package cli

import "testing"

func TestTextsNameTheProgramAsItWasCalled(t *testing.T) {
	const text = `run "lixfix check", sudo lixfix repair sequoia or lixfix-undo; what lixfix made, lixfix 1: /x/lixfix check`
	for _, tt := range []struct{ name, again, want string }{
		{"lixfix", "", text},
		{"./lixfix", "", `run "./lixfix check", sudo ./lixfix repair sequoia or lixfix-undo; what lixfix made, lixfix 1: /x/lixfix check`},
		{
			"lixfix", "curl -sSfL https://h/install.sh | sh -s --",
			`run "curl -sSfL https://h/install.sh | sh -s -- check", curl -sSfL https://h/install.sh | sudo sh -s -- repair sequoia or lixfix-undo; ` +
				`what lixfix made, lixfix 1: /x/lixfix check`,
		},
		{"lixfix", "sh ./install.sh --", `run "sh ./install.sh -- check", sudo sh ./install.sh -- repair sequoia or lixfix-undo; what lixfix made, lixfix 1: /x/lixfix check`},
		{"lixfix", "sh '/home/a b/it'\\''s.sh' --from . --version 1.2.3 --", `run "sh '/home/a b/it'\''s.sh' --from . --version 1.2.3 -- check", ` +
			`sudo sh '/home/a b/it'\''s.sh' --from . --version 1.2.3 -- repair sequoia or lixfix-undo; what lixfix made, lixfix 1: /x/lixfix check`},
		{
			"lixfix", "curl -sSfL http://[::1]:8080/r/install.sh | sh -s -- --version 1.2.3 --",
			`run "curl -sSfL http://[::1]:8080/r/install.sh | sh -s -- --version 1.2.3 -- check", ` +
				`curl -sSfL http://[::1]:8080/r/install.sh | sudo sh -s -- --version 1.2.3 -- repair sequoia or lixfix-undo; ` +
				`what lixfix made, lixfix 1: /x/lixfix check`,
		},
		{"lixfix", "sh \x1b[2J", text},
		// What is not a line of install.sh is nobody's to type.
		{"lixfix", "rm -rf /;", text},
		{"lixfix", "sh x --; rm -rf / #", text},
		{"lixfix", "sh $(id) --", text},
		{"lixfix", "sh 'x'; id '' --", text},
		{"lixfix", "curl -sSfL https://h/install.sh;id | sh -s --", text},
		{"lixfix", "curl -sSfL https://h/x | sh -s --", text},
		{"lixfix", "curl -sSfL https://h/$(id)/install.sh | sh -s --", text},
	} {
		a := &app{Config: Config{Name: tt.name, Getenv: func(name string) string {
			if name == runAgain {
				return tt.again
			}
			return ""
		}}}
		got := a.as(text)
		if got != tt.want {
			t.Errorf("called %q, %q:\n%s\nwant\n%s", tt.name, tt.again, got, tt.want)
		}
		if twice := a.as(got); twice != got {
			t.Errorf("a second time:\n%s", twice)
		}
	}
}
