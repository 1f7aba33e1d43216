package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lixfix/lixfix/fixes/journal"
	"github.com/lixfix/lixfix/fixes/plan"
	"github.com/lixfix/lixfix/fixes/step"
	"github.com/lixfix/lixfix/fixes/step/account"
	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

// set brings an attribute, or a whole user, where a step has it before or after.
func setStep(t *testing.T, m *mac.Mac, s plan.Step, after bool) {
	t.Helper()
	put := func(record, key string, values []string) error {
		if name, ok := strings.CutPrefix(record, "/Users/"); ok {
			return m.SetUser(name, key, values...)
		}
		return m.SetGroup(strings.TrimPrefix(record, "/Groups/"), key, values...)
	}
	user := func(record, guid string, there bool) error {
		name := strings.TrimPrefix(record, "/Users/")
		if !there {
			return m.RemoveUser(name)
		}
		return m.AddUser(name, map[string][]string{"generateduid": {guid}, "passwd": {"********"}, "record_daemon_version": {"9040000"}})
	}
	var err error
	switch s := s.(type) {
	case account.SetAttribute:
		values := s.From
		if after {
			values = s.To
		}
		err = put(s.Record, s.Key, values)
	case account.CreateRecord:
		err = user(s.Record, s.GeneratedUID, after)
	case account.DeleteRecord:
		err = user(s.Record, s.GeneratedUID, !after)
		if err == nil && !after {
			n := strings.TrimPrefix(s.Record, "/Users/_nixbld")
			i, _ := strconv.Atoi(n)
			for key, value := range map[string]string{
				"gid": "30000", "home": "/var/empty", "shell": "/sbin/nologin", "IsHidden": "1", "uid": strconv.Itoa(350 + i), "realname": "Nix build user " + n,
			} {
				if err == nil {
					err = put(s.Record, key, []string{value})
				}
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// sameForm: a plan that was read from a journal has the JSON that the journal has, byte for byte.
func sameForm(t *testing.T, p plan.Plan, data []byte) {
	t.Helper()
	var head struct {
		Plan json.RawMessage `json:"plan"`
	}
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&head); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(p)
	if err != nil || !bytes.Equal(got, head.Plan) {
		t.Errorf("written again it is %v\n%s\nand was\n%s", err, got, head.Plan)
	}
	if len(p.Places) == 0 {
		t.Error("it has no seats")
	}
}

// TestJournalsOfTheVersionBefore goes on from journals that the version before left unfinished: in the middle of moves,
// of a new user, of taking back, and of the undo of a finished repair.
func TestJournalsOfTheVersionBefore(t *testing.T) {
	for name, back := range map[string]bool{"moves": false, "creating": false, "taking-back": true, "undoing": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(filepath.Join("testdata", "journals", name+".jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			r, err := journal.Parse(data, step.Kinds())
			if err != nil {
				t.Fatal(err)
			}
			sameForm(t, r.Plan, data)
			m := stateOf(t, "upgraded-15")
			initial := tree(t, m)
			if r.Plan.Undoes != "" {
				for _, e := range slices.Backward(r.Plan.Entries) {
					setStep(t, m, e.Step, false)
				}
			}
			for i, e := range r.Plan.Entries {
				if mark := r.Marks[i]; mark == plan.Done || mark == plan.Begun || mark == plan.Undoing {
					setStep(t, m, e.Step, true)
				}
			}
			file := filepath.Join(m.Root, journals, r.Plan.ID+".unfinished.jsonl")
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if out := want(t, m, 4, "check"); back != strings.Contains(out, "being taken back") {
				t.Errorf("being taken back, want %v\n%s", back, out)
			}
			for _, command := range []string{"resume", "undo"} {
				c, drop := clone(t, m)
				defer drop()
				out := want(t, c, 0, command, "--yes")
				if back || command == "undo" {
					same(t, command, initial, tree(t, c), out)
					continue
				}
				want(t, c, 0, "check")
				out += want(t, c, 0, "undo", "--yes")
				same(t, "undo after resume", initial, tree(t, c), out)
			}
		})
	}
}
