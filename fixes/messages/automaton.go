package messages

// automaton finds all of many words in one pass (Aho and Corasick, 1975).
type automaton struct {
	nodes []node
	other map[edge]int32 // by characters beyond a to z and 0 to 9
	wide  []edge         // other, in the order of their making
}

type edge struct {
	from int32
	r    rune
}

type node struct {
	next  [36]int32 // 0 for none, until link has filled it in
	fail  int32
	out   int32 // the nearest node on the way of failures that ends a word, itself included; 0 for none
	atom  int32
	depth int32 // length of the word
	ends  bool
}

// class is the place of a character in next, -1 for none.
func class(r rune) int {
	switch {
	case r >= 'a' && r <= 'z':
		return int(r - 'a')
	case r >= '0' && r <= '9':
		return int(r-'0') + 26
	}
	return -1
}

// add adds a word, which belongs to an atom.
func (a *automaton) add(word string, atom int) {
	if len(a.nodes) == 0 {
		a.nodes = make([]node, 1)
		a.other = map[edge]int32{}
	}
	at := int32(0)
	for _, r := range word {
		next := a.child(at, r)
		if next == 0 {
			next = int32(len(a.nodes))
			a.nodes = append(a.nodes, node{depth: a.nodes[at].depth + 1})
			if c := class(r); c >= 0 {
				a.nodes[at].next[c] = next
			} else {
				a.other[edge{at, r}] = next
				a.wide = append(a.wide, edge{at, r})
			}
		}
		at = next
	}
	if at != 0 && !a.nodes[at].ends {
		a.nodes[at].ends, a.nodes[at].atom = true, int32(atom)
	}
}

func (a *automaton) child(at int32, r rune) int32 {
	if c := class(r); c >= 0 {
		return a.nodes[at].next[c]
	}
	return a.other[edge{at, r}]
}

// link makes the automaton ready, level by level.
func (a *automaton) link() {
	if len(a.nodes) == 0 {
		a.nodes = make([]node, 1)
	}
	wide := map[int32][]edge{}
	for _, e := range a.wide {
		wide[e.from] = append(wide[e.from], e)
	}
	level := []int32{0}
	for len(level) > 0 {
		var deeper []int32
		for _, at := range level {
			n := &a.nodes[at]
			if n.ends {
				n.out = at
			} else {
				n.out = a.nodes[n.fail].out
			}
			reach := func(child int32, r rune) {
				if at != 0 {
					a.nodes[child].fail = a.step(n.fail, r)
				}
				deeper = append(deeper, child)
			}
			for c, child := range n.next {
				if child != 0 {
					r := rune('a' + c)
					if c >= 26 {
						r = rune('0' + c - 26)
					}
					reach(child, r)
				} else {
					n.next[c] = a.nodes[n.fail].next[c]
				}
			}
			for _, e := range wide[at] {
				reach(a.other[e], e.r)
			}
		}
		level = deeper
	}
}

// step is where a character leads to.
func (a *automaton) step(at int32, r rune) int32 {
	if c := class(r); c >= 0 {
		return a.nodes[at].next[c]
	}
	for {
		if next := a.other[edge{at, r}]; next != 0 {
			return next
		}
		if at == 0 {
			return 0
		}
		at = a.nodes[at].fail
	}
}
