package plistfile

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func people(names ...string) []byte {
	var b strings.Builder
	b.WriteString("<plist><array>")
	for _, n := range names {
		fmt.Fprintf(&b, "<dict><key>RecordName</key><array><string>%s</string></array></dict>", n)
	}
	b.WriteString("</array></plist>\n")
	return []byte(b.String())
}

func TestLists(t *testing.T) {
	const one = "<plist><dict><key>RecordName</key><array><string>alex</string></array></dict></plist>"
	for _, c := range []struct {
		name, text string
		want       []int // records by document; -1 for one that is none
		fails      bool
	}{
		{"nothing", "", nil, false},
		{"a list", string(people("root", "alex")), []int{2}, false},
		{"two lists", string(people("root")) + string(people("alex", "kim")), []int{1, 2}, false},
		{"one record", one, []int{-1}, true},
		{"a list behind something else", "no list</plist>" + string(people("root")), []int{-1, 1}, true},
		{"a list that ends in the middle", string(people("root"))[:40], []int{-1}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // what is remembered is the same
				lists, err := Records([]byte(c.text))
				var got []int
				for _, l := range lists {
					if l == nil {
						got = append(got, -1)
						continue
					}
					got = append(got, len(l))
				}
				if fmt.Sprint(got) != fmt.Sprint(c.want) || (err != nil) != c.fails {
					t.Errorf("got %v, %v", got, err)
				}
			}
		})
	}
}

// TestMemory: the same bytes are decoded once, whoever asks, and what was not asked for longest is forgotten first.
func TestMemory(t *testing.T) {
	var m memory
	first := people("root", "alex")
	var all sync.WaitGroup
	lists := make([][][]map[string][]string, 8)
	for i := range lists {
		all.Go(func() { lists[i], _ = m.records([]byte(string(first))) })
	}
	all.Wait()
	for i := range lists {
		if &lists[i][0] != &lists[0][0] {
			t.Fatal("decoded more than once")
		}
	}
	for i := range mostLists {
		_, _ = m.records(people(fmt.Sprint("user", i)))
		if i < mostLists-1 {
			_, _ = m.records(first) // somebody still asks for it
		}
	}
	if len(m.lists) != mostLists {
		t.Errorf("%d lists are kept", len(m.lists))
	}
	if again, _ := m.records(first); &again[0] != &lists[0][0] {
		t.Error("what was asked for just now is forgotten")
	}
	_, _ = m.records(make([]byte, mostBytes))
	if len(m.lists) != 1 {
		t.Errorf("%d lists are kept beside one that is as large as all may be", len(m.lists))
	}
	_, _ = m.records(make([]byte, mostBytes+1))
	if len(m.lists) != 0 {
		t.Errorf("%d lists are kept where one is too large", len(m.lists))
	}
}
