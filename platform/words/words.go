// Package words writes amounts, numbers and names as people say them.
package words

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Count is "1 step", "3 steps" or "3 processes".
func Count(n int, one string) string {
	switch {
	case n == 1:
		return "1 " + one
	case strings.HasSuffix(one, "s"):
		one += "e"
	}
	return strconv.Itoa(n) + " " + one + "s"
}

const few = 3 // ranges of numbers or names, before the rest is only counted

// Numbers shortens numbers to ranges: "305–332", or "301, 303–305". What is no number is listed as it is.
func Numbers(all []string) string {
	var n []int
	for _, s := range all {
		i, err := strconv.Atoi(s)
		if err != nil {
			return some(all)
		}
		n = append(n, i)
	}
	n = sorted(n)
	parts := ranges("", n)
	if len(parts) > few {
		return fmt.Sprintf("%d IDs from %d to %d", len(n), n[0], n[len(n)-1])
	}
	return strings.Join(parts, ", ")
}

// Ranges writes all of the numbers, as "301–304, 331"; "none" where there are none.
func Ranges(n []int) string {
	if len(n) == 0 {
		return "none"
	}
	return strings.Join(ranges("", sorted(n)), ", ")
}

// Names shortens names that end in numbers: "_nixbld5–32".
func Names(all []string) string {
	const none = -1
	var order []string
	numbers := map[string][]int{}
	for _, name := range all {
		stem, n, ok := Numbered(name)
		if !ok {
			stem, n = name, none
		}
		if _, seen := numbers[stem]; !seen {
			order = append(order, stem)
		}
		numbers[stem] = append(numbers[stem], n)
	}
	var parts []string
	for _, stem := range order {
		n := sorted(numbers[stem])
		if n[0] == none {
			parts, n = append(parts, stem), n[1:]
		}
		parts = append(parts, ranges(stem, n)...)
	}
	return some(parts)
}

// Numbered splits "_nixbld12" into "_nixbld" and 12. A number with leading zeros is part of the name.
func Numbered(name string) (stem string, n int, ok bool) {
	stem = strings.TrimRight(name, "0123456789")
	digits := name[len(stem):]
	if digits == "" || stem == "" || digits[0] == '0' && len(digits) > 1 || len(digits) > 9 {
		return "", 0, false
	}
	n, err := strconv.Atoi(digits)
	return stem, n, err == nil
}

func sorted(n []int) []int {
	n = slices.Clone(n)
	slices.Sort(n)
	return slices.Compact(n)
}

// ranges writes sorted numbers behind a prefix.
func ranges(prefix string, n []int) []string {
	var parts []string
	for i := 0; i < len(n); {
		j := i
		for j+1 < len(n) && n[j+1] == n[j]+1 {
			j++
		}
		part := prefix + strconv.Itoa(n[i])
		if j > i {
			part += "–" + strconv.Itoa(n[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return parts
}

func some(all []string) string {
	if len(all) > few {
		return strings.Join(all[:few], ", ") + fmt.Sprintf(", … (%d)", len(all))
	}
	return strings.Join(all, ", ")
}
