package words

import (
	"slices"
	"testing"
)

func TestTemplate(t *testing.T) {
	p := With{"count": 3, "all": "{count}", "a_1": "x"}
	for in, want := range map[Template]string{
		"": "", "none": "none", "{count} of {all}": "3 of {count}", "{a_1}{a_1}": "xx", "{other} {count}": "{other} 3",
		"{": "{", "{}": "{}", "{count": "{count", "{{count}}": "{3}", "{Count} {1} {_a} {a b}": "{Count} {1} {_a} {a b}",
		"{a{count}": "{a3", "{\xff} {count}": "{\xff} 3",
	} {
		if got := in.Fill(p); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	const both Template = "{first_one} and {second}, {first_one}, {Third}"
	if got := both.Parameters(); !slices.Equal(got, []string{"first_one", "second", "first_one"}) {
		t.Error(got)
	}
	if got := both.General(); got != "FIRST-ONE and SECOND, FIRST-ONE, {Third}" {
		t.Error(got)
	}
}
