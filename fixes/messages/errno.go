package messages

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

//go:embed errno.tsv
var errnoTable string

// errnos are, by the English text as words run together, the texts in all languages, in the same form.
var errnos = sync.OnceValue(func() map[string][]string {
	all := map[string][]string{}
	for line := range strings.Lines(errnoTable) {
		if line[0] == '#' {
			continue
		}
		words := strings.Split(strings.TrimSpace(line), "\t")
		var spelled []string
		for _, w := range words {
			if c := compact(w); !slices.Contains(spelled, c) {
				spelled = append(spelled, c)
			}
		}
		all[spelled[0]] = spelled
	}
	return all
})

// errnoEnglish are the English texts.
var errnoEnglish = sync.OnceValue(func() []string {
	var all []string
	for line := range strings.Lines(errnoTable) {
		if line[0] != '#' {
			english, _, _ := strings.Cut(line, "\t")
			all = append(all, english)
		}
	}
	return all
})

// spellings are the forms in which a part of a message is met.
func spellings(part string) []string {
	if all, ok := errnos()[part]; ok {
		return all
	}
	return []string{part}
}
