package sequoia

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/platform/dscl"
	"github.com/lixfix/lixfix/platform/launchd"
)

// made is a build user as installers make it.
func made(n, uid, gid int) *dscl.Record {
	name := "_nixbld" + strconv.Itoa(n)
	return dscl.NewRecord(name, map[string][]string{
		dscl.RecordName: {name}, dscl.UniqueID: {strconv.Itoa(uid)}, dscl.PrimaryGroupID: {strconv.Itoa(gid)},
		dscl.NFSHomeDirectory: {"/var/empty"}, dscl.UserShell: {"/sbin/nologin"}, dscl.IsHidden: {"1"},
		dscl.RealName: {"Nix build user " + strconv.Itoa(n)}, dscl.GeneratedUID: {fmt.Sprintf("00000000-0000-4000-8000-%012d", n)},
	})
}

func group(name, gid string, members ...string) *dscl.Record {
	return dscl.NewRecord(name, map[string][]string{
		dscl.RecordName: {name}, dscl.PrimaryGroupID: {gid}, dscl.GroupMembership: members,
	})
}

// TestDiagnoseAndRemedy is of the pure rooms: a survey in, findings and steps out.
func TestDiagnoseAndRemedy(t *testing.T) {
	running := []service{{label: "org.nixos.nix-daemon", Service: launchd.Service{Loaded: true}}}
	users := func(gid int, uids ...int) []*dscl.Record {
		var all []*dscl.Record
		for i, uid := range uids {
			if uid > 0 {
				all = append(all, made(i+1, uid, gid))
			}
		}
		return all
	}
	with := func(u *dscl.Record, key string, values ...string) *dscl.Record { u.Set(key, values); return u }
	for _, tt := range []struct {
		name    string
		survey  survey
		given   fix.Settings
		finds   []string
		steps   []string // kind of step and the finding that it is for
		refused string
	}{
		{
			name:   "healthy",
			survey: survey{records: &dscl.Directory{Users: users(350, 351, 352), Groups: []*dscl.Record{group("nixbld", "350", "_nixbld1", "_nixbld2")}}},
			finds:  []string{"ok sequoia/healthy"},
		},
		{
			name:   "one is missing, and the other has the ID of macOS 26",
			survey: survey{records: &dscl.Directory{Users: users(350, 0, 305), Groups: []*dscl.Record{group("nixbld", "350", "_nixbld1", "_nixbld2")}}},
			finds:  []string{"broken sequoia/users-missing", "at-risk sequoia/uids-at-risk"},
			steps: []string{
				"probe-consent ", "stop-service ", "require-idle ", "keep-names sequoia/users-missing", "create-record sequoia/users-missing",
				"set-attribute sequoia/users-missing", "set-attribute sequoia/users-missing", "set-attribute sequoia/users-missing",
				"set-attribute sequoia/users-missing", "set-attribute sequoia/users-missing", "set-attribute sequoia/users-missing",
				"set-attribute sequoia/uids-at-risk", "read-back ", "flush-accounts ", "start-service sequoia/daemon-out",
			},
		},
		{
			name:   "at risk alone is left alone",
			survey: survey{records: &dscl.Directory{Users: users(350, 301), Groups: []*dscl.Record{group("nixbld", "350", "_nixbld1")}}},
			finds:  []string{"at-risk sequoia/uids-at-risk"},
		},
		{
			name: "nix.conf turns build users off",
			survey: survey{
				records: &dscl.Directory{Users: users(350, 301), Groups: []*dscl.Record{group("nixbld", "350", "_nixbld1", "_nixbld2")}},
				conf:    conf{unused: caseEmpty, why: "/etc/nix/nix.conf"},
			},
			finds: []string{"ok sequoia/build-users-unused"},
		},
		{
			name:   "nix.conf names a group of macOS",
			survey: survey{records: &dscl.Directory{Groups: []*dscl.Record{group("staff", "20")}}, conf: conf{group: "staff", file: "/etc/nix/nix.conf"}},
			finds:  []string{"broken sequoia/nix-conf-group"}, refused: "sequoia/nix-conf-group",
		},
		{
			name:    "the group is gone, and its users do not agree on its ID",
			survey:  survey{records: &dscl.Directory{Users: append(users(350, 351), made(2, 352, 30000))}},
			finds:   []string{"broken sequoia/group-missing"},
			refused: "sequoia/group-missing",
		},
		{
			name: "one has a shell, and the other its user ID",
			survey: survey{records: &dscl.Directory{
				Users:  []*dscl.Record{with(made(1, 351, 350), dscl.UserShell, "/bin/zsh"), made(2, 351, 350)},
				Groups: []*dscl.Record{group("nixbld", "350", "_nixbld1", "_nixbld2")},
			}},
			finds: []string{"broken sequoia/users-like-people", "broken sequoia/uids-shared"},
			steps: []string{
				"probe-consent ", "stop-service ", "require-idle ", "set-attribute sequoia/users-like-people", "set-attribute sequoia/uids-shared",
				"read-back ", "flush-accounts ", "start-service sequoia/daemon-out",
			},
		},
		{
			name:   "Nix is gone, and its users are at 301",
			survey: survey{records: &dscl.Directory{Users: users(350, 301), Groups: []*dscl.Record{group("nixbld", "350", "_nixbld1")}}, uninstalled: true},
			finds:  []string{"at-risk sequoia/users-left-over"},
		},
		{
			name: "the daemon cannot be looked at",
			survey: survey{
				records:    &dscl.Directory{Users: users(350, 351), Groups: []*dscl.Record{group("nixbld", "350", "_nixbld1")}},
				serviceErr: errors.New("launchctl fell silent"),
			},
			finds: []string{"unknown sequoia/daemon-not-known", "ok sequoia/healthy"}, refused: "?",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.survey.services == nil && tt.survey.serviceErr == nil && !tt.survey.uninstalled {
				tt.survey.services = running
			}
			d := diagnose(understand(&tt.survey, tt.given))
			var finds, steps []string
			for _, f := range d.found {
				finds = append(finds, string(f.Status)+" "+f.ID)
			}
			if diff := cmp.Diff(tt.finds, finds); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			p, idle, err := remedy(d, rand.Reader)
			r, refused := errors.AsType[*fix.Refusal](err)
			switch {
			case tt.refused == "?" && err != nil:
				return
			case refused && r.ID == tt.refused:
				return
			case err != nil || tt.refused != "":
				t.Fatalf("refused: %v, want %q", err, tt.refused)
			}
			for _, e := range p.Entries {
				steps = append(steps, e.Step.Kind()+" "+e.For)
			}
			if diff := cmp.Diff(tt.steps, steps); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if writes := slices.Contains(steps, "read-back "); writes != (idle != nil) {
				t.Errorf("accounts change: %v, and it is made sure that nobody builds: %v", writes, idle != nil)
			}
		})
	}
}

// TestTable holds the kinds against the rules for them.
func TestTable(t *testing.T) {
	for _, err := range fix.Validate("sequoia", sequoia{}.Kinds()) {
		t.Error(err)
	}
}
