package plistfile

import (
	"crypto/sha256"
	"slices"
	"sync"
)

// Records decodes a list of dictionaries whose values are lists of texts, which is how dscl(1) prints accounts. It is
// Decode, but does the same bytes once: a check asks for the same accounts several times, and decoding them takes most of
// its time. Callers share what is returned, and must not change it.
func Records(data []byte) ([]map[string][]string, error) { return remembered.records(data) }

// What is kept in mind: the lists of users and of groups, as they are and without names.
const (
	mostLists = 6
	mostBytes = 32 << 20 // that they were decoded from; a list of 10,000 accounts has nine million
)

var remembered memory

// memory holds the lists that were decoded last.
type memory struct {
	mu    sync.Mutex
	lists []*list // the one that was asked for last comes last
}

type list struct {
	sum    [sha256.Size]byte
	size   int
	decode func() ([]map[string][]string, error)
}

func (m *memory) records(data []byte) ([]map[string][]string, error) {
	sum := sha256.Sum256(data)
	m.mu.Lock()
	i := slices.IndexFunc(m.lists, func(l *list) bool { return l.sum == sum })
	var l *list
	if i >= 0 {
		l = m.lists[i]
		m.lists = slices.Delete(m.lists, i, i+1)
	} else {
		l = &list{sum: sum, size: len(data), decode: sync.OnceValues(func() (records []map[string][]string, err error) {
			err = Decode(data, &records)
			return records, err
		})}
	}
	m.lists = append(m.lists, l)
	m.forget()
	m.mu.Unlock()
	// Whoever asks for the same meanwhile waits for it here.
	return l.decode()
}

// forget drops what was not asked for longest, until the rest is within bounds.
func (m *memory) forget() {
	size := 0
	for i := len(m.lists) - 1; i >= 0; i-- {
		size += m.lists[i].size
		if size > mostBytes || len(m.lists)-i > mostLists {
			m.lists = slices.Delete(m.lists, 0, i+1)
			return
		}
	}
}
