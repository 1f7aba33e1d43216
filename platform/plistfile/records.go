package plistfile

import (
	"bytes"
	"slices"
	"sync"
)

// Records decodes what dscl(1) prints of accounts: lists of dictionaries whose values are lists of texts. There is one list
// for each document in data; it is nil where the document is something else, and the error is that of the first one. It is
// Documents and Decode, but does the same bytes once: a check asks for the same accounts several times, and decoding them
// takes most of its time. Neither data nor what is returned may be changed.
func Records(data []byte) ([][]map[string][]string, error) { return remembered.records(data) }

// What is kept in mind: the lists of users and of groups, as they are and without names.
const (
	mostLists = 6
	mostBytes = 32 << 20 // a list of 10,000 accounts has nine million
)

var remembered memory

// memory holds what was decoded last.
type memory struct {
	mu    sync.Mutex
	lists []*list // the one that was asked for last comes last
}

type list struct {
	data   []byte
	decode func() ([][]map[string][]string, error)
}

func (m *memory) records(data []byte) ([][]map[string][]string, error) {
	m.mu.Lock()
	l := &list{data: data, decode: sync.OnceValues(func() ([][]map[string][]string, error) { return decodeAll(data) })}
	if i := slices.IndexFunc(m.lists, func(l *list) bool { return bytes.Equal(l.data, data) }); i >= 0 {
		l = m.lists[i]
		m.lists = slices.Delete(m.lists, i, i+1)
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
	for i, l := range slices.Backward(m.lists) {
		size += len(l.data)
		if size > mostBytes || len(m.lists)-i > mostLists {
			m.lists = slices.Delete(m.lists, 0, i+1)
			return
		}
	}
}

func decodeAll(data []byte) (all [][]map[string][]string, first error) {
	for _, doc := range Documents(data) {
		var records []map[string][]string
		if err := Decode(doc, &records); err != nil {
			records = nil
			if first == nil {
				first = err
			}
		}
		all = append(all, records)
	}
	return all, first
}
