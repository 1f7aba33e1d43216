package observe

import (
	"testing"

	"github.com/lixfix/lixfix/platform/procfs"
)

func of(pid int, uids []int, table int) *Process {
	return &Process{Stat: procfs.Stat{PID: pid, Threads: 1}, UID: uids[1], Status: procfs.Status{
		UID:  uids[1],
		UIDs: uids, FDSize: table,
	}}
}

// TestBudget: noise of one user takes nothing from root, from other users, or from the same user's smaller processes.
func TestBudget(t *testing.T) {
	b := budget{each: 10, user: 15, all: 40, users: map[int]int{}}
	alice, bob, root := []int{1000, 1000, 1000, 1000}, []int{1001, 1001, 1001, 1001}, []int{0, 0, 0, 0}
	sudo := []int{1000, 0, 0, 0} // a program of root's that alice has started
	steps := []struct {
		uids []int
		want int
	}{{alice, 10}, {alice, 5}, {alice, 0}, {sudo, 0}, {bob, 10}, {root, 10}, {root, 5}, {root, 0}, {bob, 0}}
	for i, s := range steps {
		p := of(i, s.uids, 64)
		n := b.left(p)
		if n != s.want {
			t.Errorf("step %d: %d instead of %d", i, n, s.want)
		}
		b.spend(p, n)
	}
}

func TestRanked(t *testing.T) {
	c := &collector{Snapshot: &Snapshot{Builders: map[int]string{30001: "nixbld1"}}}
	list := []*Process{
		of(1, []int{1000, 1000, 1000, 1000}, 32768), of(2, []int{1000, 0, 0, 0}, 64), of(3, []int{
			1000, 1000,
			1000, 1000,
		}, 64),
		of(4, []int{30001, 30001, 30001, 30001}, 256), of(5, []int{0, 0, 0, 0}, 65536), of(6, []int{
			30001, 0,
			0, 0,
		}, 64),
		{Stat: procfs.Stat{PID: 7}, UID: 0}, // ended before its status was read
	}
	var got []int
	for _, p := range ranked(c, list) {
		got = append(got, p.PID)
	}
	want := []int{5, 4, 7, 2, 3, 6, 1}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%v instead of %v", got, want)
		}
	}
}
