package sequoia

import (
	"errors"
	"fmt"
	"slices"
)

// move gives a user one user ID in place of those it has, if any.
type move struct {
	name string
	from []int
	to   int
}

// order sorts moves so that each target is free when its turn comes: after any number of them no two users share an
// ID that they did not share before. Only a true cycle lifts a user to a spare ID first, so n moves in c cycles take
// n + c steps. A target that is held by a user who does not move is an error.
func order(moves []move, holders map[int][]string, spare func() (int, error)) ([]move, error) {
	mover := make(map[string]bool, len(moves))
	waiting := make(map[int]int, len(moves)) // target → index of the move that wants it
	for i, m := range moves {
		if mover[m.name] {
			return nil, fmt.Errorf("%s is to move twice", m.name)
		}
		mover[m.name] = true
		if j, ok := waiting[m.to]; ok {
			return nil, fmt.Errorf("%s and %s are both to get the user ID %d", moves[j].name, m.name, m.to)
		}
		waiting[m.to] = i
	}
	blockers := make([]int, len(moves)) // users other than the mover who hold its target
	for i, m := range moves {
		for _, name := range holders[m.to] {
			if name == m.name {
				continue
			}
			if !mover[name] {
				return nil, fmt.Errorf("the user ID %d for %s belongs to %s", m.to, m.name, name)
			}
			blockers[i]++
		}
	}
	var steps []move
	var ready []int
	for i := range moves {
		if blockers[i] == 0 {
			ready = append(ready, i)
		}
	}
	done := make([]bool, len(moves))
	lifted := make(map[int]int) // index → spare ID that it has in the meantime
	vacate := func(i int) {
		for _, id := range moves[i].from {
			if j, ok := waiting[id]; ok && j != i {
				if blockers[j]--; blockers[j] == 0 {
					ready = append(ready, j)
				}
			}
		}
	}
	first := 0 // everything before it is done
	for len(steps)-len(lifted) < len(moves) {
		if len(ready) == 0 {
			for done[first] {
				first++
			}
			i := first
			for i < len(moves) && (done[i] || lifted[i] != 0) {
				i++
			}
			if i == len(moves) {
				return nil, errors.New("the user IDs in the directory contradict each other")
			}
			id, err := spare()
			if err != nil {
				return nil, err
			}
			steps = append(steps, move{name: moves[i].name, from: moves[i].from, to: id})
			lifted[i] = id
			vacate(i)
			continue
		}
		i := ready[0]
		ready = ready[1:]
		m := moves[i]
		done[i] = true
		if id, ok := lifted[i]; ok {
			m.from = []int{id}
			steps = append(steps, m)
			continue
		}
		steps = append(steps, m)
		vacate(i)
	}
	return steps, nil
}

// assign chooses a user ID for each of the users: 350 + N where nobody has it, else the next free one, those from 450
// up last. It avoids IDs of groups while there are others. It fails when there is not enough room.
func assign(users []*user, holders map[int][]string, gids map[int]string, group string) (map[string]int, error) {
	taken := make(map[int]bool, len(users))
	free := func(id int, u *user, evenGID bool) bool {
		if id < firstSafe || id > lastSafe || reserved(id) || taken[id] {
			return false
		}
		if name := gids[id]; !evenGID && name != "" && name != group {
			return false
		}
		return !slices.ContainsFunc(holders[id], func(name string) bool { return name != u.name })
	}
	targets := make(map[string]int, len(users))
	var rest []*user
	for _, u := range users {
		if id := target(u.number); free(id, u, false) {
			targets[u.name], taken[id] = id, true
			continue
		}
		rest = append(rest, u)
	}
	for _, evenGID := range []bool{false, true} {
		var left []*user
		id := firstSafe
		for _, u := range rest {
			for id <= lastSafe && !free(id, u, evenGID) {
				id++
			}
			if id > lastSafe {
				left = append(left, u)
				continue
			}
			targets[u.name], taken[id] = id, true
		}
		rest = left
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d of %d build users find no free user ID from %d to %d", len(rest), len(users), firstSafe, lastSafe)
	}
	return targets, nil
}
