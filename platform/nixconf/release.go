package nixconf

import (
	"strconv"
	"strings"
)

// Implementations that have a nix.conf, as they call themselves.
const (
	Lix         = "Lix"
	Nix         = "Nix"
	Determinate = "Determinate Nix" // counts its own versions, from 3.0 up
)

// Release is an implementation and its version. They decide which settings there are, and what is true without a
// nix.conf.
type Release struct {
	Implementation string `json:"implementation,omitempty"` // Lix, Nix or Determinate Nix; "" where it is not known
	Version        string `json:"version,omitempty"`        // "2.95.1"; "" where it is not known
}

// String is "Lix 2.95.1", "Lix" without a version, "Nix or Lix" where not even that is known.
func (r Release) String() string {
	switch {
	case r.Implementation == "":
		return "Nix or Lix"
	case r.Version == "":
		return r.Implementation
	}
	return r.Implementation + " " + r.Version
}

// AtLeast reports whether the version is that one or a later one. Where it is not known, it is not.
func (r Release) AtLeast(version string) bool {
	return r.Version != "" && compare(numbers(r.Version), numbers(version)) >= 0
}

// Before reports whether the version is an earlier one. Where it is not known, it is not.
func (r Release) Before(version string) bool {
	return r.Version != "" && compare(numbers(r.Version), numbers(version)) < 0
}

// numbers are the leading numbers of a version: those of "2.95.0-pre20260821" are 2, 95 and 0.
func numbers(version string) []int {
	var list []int
	for part := range strings.SplitSeq(version, ".") {
		end := 0
		for end < len(part) && part[end] >= '0' && part[end] <= '9' {
			end++
		}
		n, err := strconv.Atoi(part[:end])
		if err != nil {
			break
		}
		list = append(list, n)
		if end < len(part) {
			break
		}
	}
	return list
}

// compare orders versions; what one of them lacks is 0.
func compare(a, b []int) int {
	at := func(list []int, i int) int {
		if i < len(list) {
			return list[i]
		}
		return 0
	}
	for i := range max(len(a), len(b)) {
		if d := at(a, i) - at(b, i); d != 0 {
			return d
		}
	}
	return 0
}

// span is a range of versions, with both ends. last is as long as it is exact: 2.93 ends with the last 2.93.x.
type span struct{ first, last []int }

// spans reads ranges as settings.txt has them.
func spans(text string) []span {
	if text == "-" {
		return nil
	}
	var list []span
	for part := range strings.SplitSeq(text, ",") {
		first, last, _ := strings.Cut(part, "..")
		s := span{first: numbers(first)}
		if last != "" {
			s.last = numbers(last)
		}
		list = append(list, s)
	}
	return list
}

func (s span) has(version []int) bool {
	if compare(version, s.first) < 0 {
		return false
	}
	return s.last == nil || compare(version[:min(len(version), len(s.last))], s.last) <= 0
}
