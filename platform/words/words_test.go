package words

import (
	"strconv"
	"testing"
)

func TestNames(t *testing.T) {
	for want, names := range map[string][]string{
		"":                       nil,
		"_nixbld1–3":             {"_nixbld3", "_nixbld1", "_nixbld2"},
		"_nixbld1, _nixbld3–4":   {"_nixbld1", "_nixbld3", "_nixbld4"},
		"_nixbld01, _nixbld1":    {"_nixbld01", "_nixbld1"},
		"a, b, c, … (4)":         {"a", "b", "c", "d"},
		"7, 8":                   {"7", "8"},
		"x, x1":                  {"x", "x1"},
		"_nixbld99999999999":     {"_nixbld99999999999"},
		"_a1–2, _b7, _nixbld400": {"_a1", "_b7", "_a2", "_nixbld400"},
	} {
		if got := Names(names); got != want {
			t.Errorf("%q: got %q, want %q", names, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for want, numbers := range map[string][]string{
		"":                  nil,
		"305–332":           count(305, 332),
		"301, 303–305":      {"304", "301", "305", "303", "301"},
		"4 IDs from 1 to 7": {"7", "5", "1", "3"},
		"x, y":              {"x", "y"},
		"1, 2, x, … (4)":    {"1", "2", "x", "3"},
	} {
		if got := Numbers(numbers); got != want {
			t.Errorf("%q: got %q, want %q", numbers, got, want)
		}
	}
	unsorted := []int{331, 302, 301, 303, 301, 304}
	if got := Ranges(unsorted); got != "301–304, 331" || unsorted[0] != 331 {
		t.Errorf("%q %v", got, unsorted)
	}
	if got := Ranges(nil); got != "none" {
		t.Errorf("%q", got)
	}
}

func count(from, to int) (list []string) {
	for ; from <= to; from++ {
		list = append(list, strconv.Itoa(from))
	}
	return list
}

func TestCount(t *testing.T) {
	for want, of := range map[string]string{"0 steps": "step", "1 step": "step", "2 steps": "step", "1 process": "process", "2 processes": "process"} {
		if got := Count(int(want[0]-'0'), of); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
