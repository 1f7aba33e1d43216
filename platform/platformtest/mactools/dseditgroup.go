package mactools

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

// dseditgroup follows ugtools/dseditgroup.c: messages on stderr, answers on
// stdout, and GID in the end so that a refused one leaves a group without.
func dseditgroup(s *mac.Session, args []string) int {
	const usage = 64
	opts, rest, ok := getopt(args, "LT:o:pqvn:m:u:P:a:d:t:i:g:r:k:c:s:S:f:")
	if !ok {
		return usage
	}
	if len(args) == 0 {
		return 0
	}
	if gid, ok := opts['i']; ok {
		if _, err := strconv.Atoi(gid); err != nil {
			s.Printf("GID contains non-numeric characters\n")
			return usage
		}
	}
	if len(rest) == 0 {
		s.Errorf("No group name provided\n")
		return usage
	}
	operation := strings.ToLower(opts['o'])
	edits := operation == "create" || operation == "edit" || operation == "delete"
	if edits {
		s.Write()
	} else {
		s.Read()
	}
	name := rest[0]
	group, err := s.Mac.Find(mac.Groups, name)
	if err != nil && !errors.Is(err, mac.ErrNoRecord) {
		s.Must(err)
	}
	if group == nil && operation != "create" {
		s.Errorf("Group not found.\n")
		return usage
	}
	if edits && !s.Config.IsRoot() {
		s.Errorf("Username and password must be provided.\n")
		return usage
	}
	switch operation {
	case "create":
		if group != nil {
			if _, quiet := opts['q']; !quiet {
				s.Printf("Create called on existing record - do you want to overwrite, y or n : \n")
				s.Errorf("Operation cancelled because record could not be replaced\n")
				return 73
			}
			s.Must(s.Mac.Remove(mac.Groups, name))
			s.Stage(mac.StageRemoved)
		}
		if s.Config.Switches.ConsentToGroups && !s.Config.Consent {
			s.Errorf("Unable to create the record\n")
			return usage
		}
		group = mac.Record{}
		group.Set("name", name)
		group.Set("passwd", "*")
		group.Set("generateduid", s.Made(mac.Groups, name))
		s.Must(s.Mac.Put(mac.Groups, group))
		s.Stage(mac.StageGUID)
	case "edit":
	case "delete":
		s.Errorf("Group record below will be deleted:\n")
		s.Must(s.Mac.Remove(mac.Groups, name))
		return 0
	case "checkmember":
		return checkMember(s, group, name, opts)
	default:
		for _, key := range sorted(pick(mac.Groups, group, nil)) {
			s.Printf("%s -\n", key)
			for _, v := range pick(mac.Groups, group, nil)[key] {
				s.Printf("\t\t%s\n", v)
			}
		}
		return 0
	}
	return editGroup(s, group, opts)
}

func editGroup(s *mac.Session, group mac.Record, opts map[byte]string) int {
	if s.Config.Switches.ConsentToGroups && !s.Config.Consent {
		s.Errorf("Could not add member to group.\n")
		return 64
	}
	if member, ok := opts['a']; ok {
		kind := mac.Users
		if opts['t'] == "group" {
			kind = mac.Groups
		}
		r, err := s.Mac.Find(kind, member)
		if err != nil {
			s.Errorf("Record was not found.\n")
			return 200 // -14136 with its sign kept
		}
		if kind == mac.Users {
			if !slices.Contains(group["users"], r.Name()) {
				group.Set("users", append(slices.Clone(group["users"]), r.Name())...)
				s.Must(s.Mac.Put(mac.Groups, group))
				s.Stage(mac.StageName)
			}
			addGUID(group, "groupmembers", r)
		} else {
			addGUID(group, "nestedgroups", r)
		}
		s.Must(s.Mac.Put(mac.Groups, group))
	}
	if member, ok := opts['d']; ok {
		r, err := s.Mac.Find(mac.Users, member)
		if err != nil {
			s.Errorf("Record was not found.\n")
			return 200
		}
		group.Set("users", without(group["users"], r.Name())...)
		s.Must(s.Mac.Put(mac.Groups, group))
		s.Stage(mac.StageName)
		if len(r["generateduid"]) > 0 {
			group.Set("groupmembers", without(group["groupmembers"], r["generateduid"][0])...)
		}
		s.Must(s.Mac.Put(mac.Groups, group))
	}
	gid, given := opts['i']
	if !given && strings.EqualFold(opts['o'], "create") {
		for n := 501; gid == ""; n++ {
			other, err := s.Mac.Holder(mac.Groups, "PrimaryGroupID", strconv.Itoa(n), "")
			s.Must(err)
			if other == nil {
				gid = strconv.Itoa(n)
			}
		}
	}
	if gid != "" {
		other, err := s.Mac.Holder(mac.Groups, "PrimaryGroupID", gid, "")
		s.Must(err)
		if other != nil {
			s.Errorf("GID already exists\n")
			return 64
		}
		group.Set("gid", gid)
		s.Must(s.Mac.Put(mac.Groups, group))
	}
	for option, disk := range map[byte]string{'g': "generateduid", 'r': "realname", 'k': "keywords", 'c': "comment", 's': "timetolive", 'S': "smb_sid"} {
		if v, ok := opts[option]; ok {
			group.Set(disk, v)
		}
	}
	s.Must(s.Mac.Put(mac.Groups, group))
	return 0
}

func addGUID(group mac.Record, disk string, r mac.Record) {
	if g := r["generateduid"]; len(g) > 0 && !slices.Contains(group[disk], g[0]) {
		group.Set(disk, append(slices.Clone(group[disk]), g[0])...)
	}
}

func without(values []string, v string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(x string) bool { return x == v })
}

func checkMember(s *mac.Session, group mac.Record, name string, opts map[byte]string) int {
	user := opts['m']
	if user == "" {
		user = "root"
	}
	r, err := s.Mac.Find(mac.Users, user)
	if err != nil {
		s.Errorf("Unable to find the user record\n")
		return 64
	}
	if isMember(group, r) {
		s.Printf("yes %s is a member of %s\n", user, name)
		return 0
	}
	s.Printf("no %s is NOT a member of %s\n", user, name)
	return 67
}

// isMember is what membership services answer: the primary group counts, and
// where the group lists GeneratedUIDs its names do not. It is not what getgrnam
// gives the Nix daemon.
func isMember(group, user mac.Record) bool {
	if gid := user["gid"]; len(gid) > 0 && slices.Contains(group["gid"], gid[0]) {
		return true
	}
	if len(group["groupmembers"]) > 0 {
		g := user["generateduid"]
		return len(g) > 0 && slices.Contains(group["groupmembers"], g[0])
	}
	return slices.Contains(group["users"], user.Name())
}

// getopt is getopt(3) as BSD has it: options end at the first operand.
func getopt(args []string, spec string) (opts map[byte]string, rest []string, ok bool) {
	opts = map[byte]string{}
	for len(args) > 0 {
		a := args[0]
		if a == "--" {
			return opts, args[1:], true
		}
		if len(a) < 2 || a[0] != '-' {
			break
		}
		args = args[1:]
		for i := 1; i < len(a); i++ {
			at := strings.IndexByte(spec, a[i])
			if at < 0 || a[i] == ':' {
				return opts, args, false
			}
			if at+1 >= len(spec) || spec[at+1] != ':' {
				opts[a[i]] = ""
				continue
			}
			if v := a[i+1:]; v != "" {
				opts[a[i]] = v
			} else if len(args) > 0 {
				opts[a[i]], args = args[0], args[1:]
			} else {
				return opts, args, false
			}
			break
		}
	}
	return opts, args, true
}
