package sequoia

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// world is a directory with users who are to move, and accounts that are not ours.
type world struct {
	moves   []move
	holders map[int][]string
	foreign map[string]bool
}

func (w world) spare() func() (int, error) {
	next := firstParked
	return func() (int, error) {
		for len(w.holders[next]) > 0 {
			next++
		}
		next++
		return next - 1, nil
	}
}

// draw makes a world in which every target is free, or held by users who move. Each user has one ID of its own; with
// rough, users also have none, two, or one together with others.
func draw(t *rapid.T, rough bool) world {
	w := world{holders: map[int][]string{}, foreign: map[string]bool{}}
	n := rapid.IntRange(0, 24).Draw(t, "users")
	ids := rapid.Permutation(span(300, 300+2*n+20)).Draw(t, "ids")
	targets := rapid.Permutation(slices.Clone(ids[:n+10])).Draw(t, "targets")
	mine := map[int]bool{}
	for i := range n {
		m := move{name: "_nixbld" + strconv.Itoa(i+1), from: []int{ids[i]}, to: targets[i]}
		if rough {
			switch rapid.IntRange(0, 5).Draw(t, "kind") {
			case 0:
				m.from = nil
			case 1:
				m.from = []int{ids[i], ids[n+1+i]}
			case 2:
				m.from = []int{ids[rapid.IntRange(0, i).Draw(t, "with")]}
			}
		}
		for _, id := range m.from {
			w.holders[id] = append(w.holders[id], m.name)
			mine[id] = true
		}
		mine[m.to] = true
		w.moves = append(w.moves, m)
	}
	for i, id := range rapid.SliceOfN(rapid.SampledFrom(slices.Concat(ids, span(firstParked, firstParked+9))), 0, 12).Draw(t, "foreign") {
		if mine[id] && (!rough || slices.ContainsFunc(w.moves, func(m move) bool { return m.to == id })) {
			continue
		}
		name := fmt.Sprintf("_foreign%d", i)
		w.foreign[name] = true
		w.holders[id] = append(w.holders[id], name)
	}
	return w
}

func span(a, b int) []int {
	var s []int
	for i := a; i <= b; i++ {
		s = append(s, i)
	}
	return s
}

// walk does the steps one by one and fails when two accounts come to share an ID, or a step is not what it says.
func walk(t *rapid.T, w world, steps []move) map[string][]int {
	now := map[string][]int{}
	holders := map[int]map[string]bool{}
	for id, names := range w.holders {
		holders[id] = map[string]bool{}
		for _, name := range names {
			now[name] = append(now[name], id)
			holders[id][name] = true
		}
	}
	for i, s := range steps {
		if w.foreign[s.name] {
			t.Fatalf("step %d moves %s", i, s.name)
		}
		if !sameIDs(now[s.name], s.from) {
			t.Fatalf("step %d takes %s from %v, and it is at %v", i, s.name, s.from, now[s.name])
		}
		for other := range holders[s.to] {
			if other != s.name {
				t.Fatalf("step %d puts %s on %d, where %s is", i, s.name, s.to, other)
			}
		}
		for _, id := range now[s.name] {
			delete(holders[id], s.name)
		}
		now[s.name] = []int{s.to}
		if holders[s.to] == nil {
			holders[s.to] = map[string]bool{}
		}
		holders[s.to][s.name] = true
	}
	for _, m := range w.moves {
		if !slices.Equal(now[m.name], []int{m.to}) {
			t.Fatalf("%s ends at %v and not at %d", m.name, now[m.name], m.to)
		}
	}
	for name := range w.foreign {
		if len(now[name]) == 0 {
			t.Fatalf("%s is gone", name)
		}
	}
	return now
}

func sameIDs(a, b []int) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// cycles counts the true cycles: users who wait for each other in a ring of more than one.
func cycles(w world) int {
	at := map[int]string{}
	to := map[string]int{}
	for _, m := range w.moves {
		at[m.from[0]], to[m.name] = m.name, m.to
	}
	n := 0
	seen := map[string]bool{}
	for name := range to {
		path := map[string]bool{}
		for name != "" && !seen[name] {
			seen[name], path[name] = true, true
			next := at[to[name]]
			if path[next] && next != name {
				n++
			}
			name = next
		}
	}
	return n
}

func TestOrderReachesEveryTargetInTheFewestSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t, false)
		steps, err := order(w.moves, w.holders, w.spare())
		if err != nil {
			t.Fatal(err)
		}
		walk(t, w, steps)
		if want := len(w.moves) + cycles(w); len(steps) != want {
			t.Fatalf("%d steps for %d moves in %d cycles", len(steps), len(w.moves), cycles(w))
		}
	})
}

func TestOrderWithSharedDoubleAndMissingIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t, true)
		steps, err := order(w.moves, w.holders, w.spare())
		if err != nil {
			t.Fatal(err)
		}
		walk(t, w, steps)
		if len(steps) > 2*len(w.moves) {
			t.Fatalf("%d steps for %d moves", len(steps), len(w.moves))
		}
	})
}

func TestOrderRefusesATargetOfSomebodyElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t, rapid.Bool().Draw(t, "rough"))
		if len(w.moves) == 0 {
			return
		}
		m := rapid.SampledFrom(w.moves).Draw(t, "victim")
		w.holders[m.to] = append(w.holders[m.to], "_defendpoint")
		steps, err := order(w.moves, w.holders, w.spare())
		if err == nil || steps != nil {
			t.Fatalf("got %v, %v", steps, err)
		}
	})
}

func TestOrderRefusals(t *testing.T) {
	full := errors.New("no spare ID")
	tests := []struct {
		name    string
		moves   []move
		holders map[int][]string
	}{
		{"a user moves twice", []move{{"a", nil, 351}, {"a", nil, 352}}, nil},
		{"two users want one ID", []move{{"a", nil, 351}, {"b", nil, 351}}, nil},
		{
			"a cycle and no spare ID left",
			[]move{{"a", []int{351}, 352}, {"b", []int{352}, 351}},
			map[int][]string{351: {"a"}, 352: {"b"}},
		},
		{
			// Two records of one name: the target of b is held by the first, and the move knows of the second.
			"a record that the move does not know of holds the target",
			[]move{{"a", []int{301}, 352}, {"b", []int{302}, 351}},
			map[int][]string{301: {"a"}, 351: {"a"}, 302: {"b"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spares := 0
			steps, err := order(tt.moves, tt.holders, func() (int, error) {
				if spares++; tt.holders[302] == nil || spares > 10 {
					return 0, full
				}
				return firstParked + spares, nil
			})
			if err == nil || steps != nil {
				t.Errorf("got %v, %v", steps, err)
			}
		})
	}
}

func TestOrderOfTheKnownStates(t *testing.T) {
	tests := []struct {
		name  string
		moves []move
		want  []string
	}{
		{
			"ranges that overlap, in descending order",
			[]move{
				{"a", []int{349}, 351}, {"b", []int{351}, 353}, {"c", []int{353}, 355},
			},
			[]string{"c 355", "b 353", "a 351"},
		},
		{
			"two users who have changed places",
			[]move{{"a", []int{352}, 351}, {"b", []int{351}, 352}},
			[]string{"a 31000", "b 352", "a 351"},
		},
		{"a user without an ID", []move{{"a", nil, 351}}, []string{"a 351"}},
		{"a user with two IDs, one of them its target", []move{{"a", []int{351, 31000}, 351}}, []string{"a 351"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := world{moves: tt.moves, holders: map[int][]string{}}
			for _, m := range tt.moves {
				for _, id := range m.from {
					w.holders[id] = append(w.holders[id], m.name)
				}
			}
			steps, err := order(w.moves, w.holders, w.spare())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range steps {
				got = append(got, fmt.Sprint(s.name, " ", s.to))
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// builders returns users of the given numbers, without records.
func builders(numbers ...int) []*user {
	users := make([]*user, len(numbers))
	for i, n := range numbers {
		users[i] = &user{name: "_nixbld" + strconv.Itoa(n), number: n, uid: -1}
	}
	return users
}

func TestAssignKeepsItsRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfNDistinct(rapid.IntRange(0, 300), 0, 100, rapid.ID[int]).Draw(t, "numbers")
		users := builders(numbers...)
		holders := map[int][]string{}
		for i, id := range rapid.SliceOfN(rapid.IntRange(280, 520), 0, 60).Draw(t, "held") {
			holders[id] = append(holders[id], fmt.Sprintf("_foreign%d", i))
		}
		for _, u := range users {
			if rapid.Bool().Draw(t, "exists") {
				id := rapid.IntRange(300, 420).Draw(t, "at")
				holders[id] = append(holders[id], u.name)
			}
		}
		gids := map[int]string{}
		for _, id := range rapid.SliceOfN(rapid.IntRange(340, 505), 0, 60).Draw(t, "gids") {
			gids[id] = rapid.SampledFrom([]string{"nixbld", "com.apple.access_ssh"}).Draw(t, "group")
		}
		// An ID is good for a user if nobody else has it and macOS does not use it.
		good := func(id int, u *user) bool {
			return id >= 351 && id <= 499 && (id < 395 || id > 400) && id != 441 &&
				!slices.ContainsFunc(holders[id], func(name string) bool { return name != u.name })
		}
		even := func(id int) bool { return gids[id] == "" || gids[id] == "nixbld" }

		targets, err := assign(users, holders, gids, "nixbld")
		if err != nil {
			room := 0
			for id := 351; id <= 499; id++ {
				if good(id, &user{}) {
					room++
				}
			}
			if room >= len(users) || targets != nil {
				t.Fatalf("%d users, %d IDs that nobody has: %v", len(users), room, err)
			}
			return
		}
		if len(targets) != len(users) {
			t.Fatalf("%d of %d users have a target", len(targets), len(users))
		}
		by := map[int]string{}
		for _, u := range users {
			id := targets[u.name]
			if !good(id, u) {
				t.Fatalf("%s gets %d", u.name, id)
			}
			if by[id] != "" {
				t.Fatalf("%s and %s get %d", by[id], u.name, id)
			}
			by[id] = u.name
			if want := 350 + u.number; good(want, u) && even(want) && id != want {
				t.Fatalf("%s gets %d, and %d is free", u.name, id, want)
			}
		}
		// Nobody gets the ID of a group, or a late one, while a better one is left over.
		for _, u := range users {
			id := targets[u.name]
			if id == 350+u.number {
				continue
			}
			for better := 351; better <= 499; better++ {
				if by[better] == "" && good(better, &user{}) && even(better) && (!even(id) || better < id && better < 450 && id >= 450) {
					t.Fatalf("%s gets %d, and %d is left over", u.name, id, better)
				}
			}
		}
	})
}

func TestAssignHasRoomFor142(t *testing.T) {
	first := make([]int, maxUsers)
	for i := range first {
		first[i] = i + 1
	}
	targets, err := assign(builders(first...), nil, nil, "nixbld")
	if err != nil {
		t.Fatal(err)
	}
	var want []int
	for id := 351; id <= 499; id++ {
		if (id < 395 || id > 400) && id != 441 {
			want = append(want, id)
		}
	}
	if d := cmp.Diff(want, slices.Sorted(maps.Values(targets))); d != "" {
		t.Error(d)
	}
	if got, err := assign(builders(append(first, maxUsers+1)...), nil, nil, "nixbld"); err == nil || got != nil {
		t.Errorf("%d users: got %v, %v", maxUsers+1, got, err)
	}
	if got, err := assign(builders(first...), map[int][]string{351: {"_defendpoint"}}, nil, "nixbld"); err == nil || got != nil {
		t.Errorf("%d users and a foreign account in the range: got %v, %v", maxUsers, got, err)
	}
}

func TestAssignInTheKnownStates(t *testing.T) {
	tests := []struct {
		name    string
		numbers []int
		holders map[int][]string
		gids    map[int]string
		want    map[string]int
	}{
		{"users gone", []int{1, 2, 32}, nil, nil, map[string]int{"_nixbld1": 351, "_nixbld2": 352, "_nixbld32": 382}},
		{
			"_defendpoint at 351 (macOS 26)",
			[]int{1, 2},
			map[int][]string{351: {"_defendpoint"}},
			nil,
			map[string]int{"_nixbld1": 353, "_nixbld2": 352},
		},
		{"the group of the build users has the number", []int{1}, nil, map[int]string{351: "nixbld"}, map[string]int{"_nixbld1": 351}},
		{"another group has the number", []int{1}, nil, map[int]string{351: "_defendpoint"}, map[string]int{"_nixbld1": 352}},
		{"numbers in the range of com.apple.access", []int{44, 45, 50}, nil, nil, map[string]int{"_nixbld44": 394, "_nixbld45": 351, "_nixbld50": 352}},
		{"number 0", []int{0, 1}, nil, nil, map[string]int{"_nixbld0": 352, "_nixbld1": 351}},
		{"a number that would be beyond the range", []int{9999}, nil, nil, map[string]int{"_nixbld9999": 351}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := assign(builders(tt.numbers...), tt.holders, tt.gids, "nixbld")
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// BenchmarkOrder orders users who each wait for the next, and users who all wait in one ring.
func BenchmarkOrder(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		chain, ring := make([]move, n), make([]move, n)
		holders := make(map[int][]string, n)
		for i := range n {
			name := strconv.Itoa(i)
			chain[i] = move{name: name, from: []int{i}, to: i + 1}
			ring[i] = move{name: name, from: []int{i}, to: (i + 1) % n}
			holders[i] = []string{name}
		}
		for name, moves := range map[string][]move{"chain": chain, "ring": ring} {
			b.Run(fmt.Sprintf("%s-%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := order(moves, holders, func() (int, error) { return 1 << 20, nil }); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/user")
			})
		}
	}
}
