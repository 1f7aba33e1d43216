package cli

import "testing"

func TestTextsNameTheProgramAsItWasCalled(t *testing.T) {
	const text = `run "lixfix check", sudo lixfix repair sequoia or lixfix-undo; what lixfix made, lixfix 1: /x/lixfix check`
	for _, tt := range []struct{ name, again, want string }{
		{"lixfix", "", text},
		{"./lixfix", "", `run "./lixfix check", sudo ./lixfix repair sequoia or lixfix-undo; what lixfix made, lixfix 1: /x/lixfix check`},
		{
			"lixfix", "curl -sSfL https://h/i.sh | sh -s --",
			`run "curl -sSfL https://h/i.sh | sh -s -- check", curl -sSfL https://h/i.sh | sudo sh -s -- repair sequoia or lixfix-undo; ` +
				`what lixfix made, lixfix 1: /x/lixfix check`,
		},
		{"lixfix", "sh ./install.sh --", `run "sh ./install.sh -- check", sudo sh ./install.sh -- repair sequoia or lixfix-undo; what lixfix made, lixfix 1: /x/lixfix check`},
		{"lixfix", "sh \x1b[2J", text},
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
