package words

import (
	"fmt"
	"strings"

	"github.com/lixfix/lixfix/platform/pattern"
)

// Template is a text with parameters in it: "{count} of {all} are missing".
type Template string

// With are the parameters of a template, by name. Values are formatted as by fmt.Sprint.
type With map[string]any

var parameter = pattern.New(`\{([a-z][a-z0-9_]*)\}`)

// Fill puts the parameters in. A parameter that has no value stays as it is written.
func (t Template) Fill(p With) string {
	text := string(t)
	if !strings.Contains(text, "{") {
		return text // most are, and an expression takes longer to compile than a short command runs
	}
	return parameter.ReplaceAllStringFunc(text, func(name string) string {
		if v, ok := p[name[1:len(name)-1]]; ok {
			return fmt.Sprint(v)
		}
		return name
	})
}

// General is the text for people who have no finding before them: "{server}" becomes "SERVER".
func (t Template) General() string {
	return parameter.ReplaceAllStringFunc(string(t), func(name string) string {
		return strings.ToUpper(strings.ReplaceAll(name[1:len(name)-1], "_", "-"))
	})
}

// Parameters are the names of the parameters in the text.
func (t Template) Parameters() []string {
	var names []string
	for _, m := range parameter.FindAllStringSubmatch(string(t), -1) {
		names = append(names, m[1])
	}
	return names
}
