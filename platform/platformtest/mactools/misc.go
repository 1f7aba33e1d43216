package mactools

import (
	"cmp"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

func swVers(s *mac.Session, args []string) int {
	c := s.Config
	if len(args) == 0 {
		// Two tabs after the name since macOS 11.
		s.Printf("ProductName:\t\t%s\nProductVersion:\t\t%s\nBuildVersion:\t\t%s\n", c.Product, c.Version, c.Build)
		return 0
	}
	switch strings.TrimLeft(args[0], "-") {
	case "productName":
		s.Printf("%s\n", c.Product)
	case "productVersion":
		s.Printf("%s\n", c.Version)
	case "productVersionExtra":
		s.Printf("\n")
	case "buildVersion":
		s.Printf("%s\n", c.Build)
	default:
		s.Errorf("Usage: sw_vers [--help|--productName|--productVersion|--productVersionExtra|--buildVersion]\n")
		return 1
	}
	return 0
}

// passwd is a user as getpwnam gives it.
type passwd struct {
	name, password, uid, gid, dir, shell, gecos string
}

// getpw looks a user up by name or, with byUID, by number. /Search is asked, so
// network accounts are found.
func getpw(s *mac.Session, key string, byUID bool) (passwd, mac.Record, bool) {
	find := func() (mac.Record, error) {
		if byUID {
			return s.Mac.Holder(mac.Users, "UniqueID", key, "")
		}
		return s.Mac.Find(mac.Users, key)
	}
	r, err := find()
	if err != nil && !errors.Is(err, mac.ErrNoRecord) {
		s.Must(err)
	}
	if r == nil || err != nil {
		r = nil
		for _, n := range s.Config.Network {
			if byUID && slices.Contains(n["uid"], key) || !byUID && slices.Contains(n["name"], key) {
				r = n
				break
			}
		}
	}
	if r == nil {
		return passwd{}, nil, false
	}
	p := passwd{
		name: r.Name(), password: first(r["passwd"], "*"), uid: first(r["uid"], s.Config.Switches.WithoutUID),
		gid: first(r["gid"], "-2"), dir: first(r["home"], ""), shell: first(r["shell"], ""),
		gecos: first(r["realname"], r.Name()),
	}
	return p, r, p.uid != ""
}

func first(values []string, otherwise string) string {
	if len(values) == 0 {
		return otherwise
	}
	return values[0]
}

func dscacheutil(s *mac.Session, args []string) int {
	if len(args) == 0 {
		s.Errorf("Usage: dscacheutil -h\n")
		return 64
	}
	s.Read()
	switch args[0] {
	case "-flushcache":
		return 0
	case "-q":
	default:
		s.Errorf("Usage: dscacheutil -h\n")
		return 64
	}
	if len(args) != 2 && (len(args) != 5 || args[2] != "-a") {
		s.Errorf("Usage: dscacheutil -h\n")
		return 64
	}
	key, value := "", ""
	if len(args) == 5 {
		key, value = args[3], args[4]
	}
	switch args[1] {
	case "user":
		queryUsers(s, key, value)
	case "group":
		queryGroups(s, key, value)
	}
	return 0
}

func queryUsers(s *mac.Session, key, value string) {
	show := func(p passwd) {
		s.Printf("name: %s\npassword: %s\nuid: %s\ngid: %s\ndir: %s\nshell: %s\ngecos: %s\n\n",
			p.name, p.password, p.uid, p.gid, p.dir, p.shell, p.gecos)
	}
	if key != "" {
		if p, _, ok := getpw(s, value, key == "uid"); ok {
			show(p)
		}
		return
	}
	all, err := s.Mac.All(mac.Users)
	s.Must(err)
	for _, r := range all {
		if p, _, ok := getpw(s, r.Name(), false); ok {
			show(p)
		}
	}
}

// queryGroups prints gr_mem, the names of GroupMembership: no users line for an
// empty group (NixOS/nix#12343).
func queryGroups(s *mac.Session, key, value string) {
	all, err := s.Mac.All(mac.Groups)
	s.Must(err)
	for _, g := range all {
		if key == "name" && !slices.Contains(g["name"], value) || key == "gid" && !slices.Contains(g["gid"], value) {
			continue
		}
		s.Printf("name: %s\npassword: *\ngid: %s\n", g.Name(), first(g["gid"], "-2"))
		if len(g["users"]) > 0 {
			s.Printf("users: ")
			for _, u := range g["users"] {
				s.Printf("%s ", u)
			}
			s.Printf("\n")
		}
		s.Printf("\n")
	}
}

func dsmemberutil(s *mac.Session, args []string) int {
	s.Read()
	if len(args) == 0 {
		s.Printf("Usage: dsmemberutil [flushcache|checkmembership|getid|getuuid|getsid] ...\n")
		return 64
	}
	switch args[0] {
	case "flushcache":
		return 0
	case "checkmembership":
	default:
		return 64
	}
	opts, _, ok := getopt(args[1:], "u:U:g:G:")
	if !ok {
		return 64
	}
	var user, group mac.Record
	switch {
	case opts['U'] != "":
		_, user, _ = getpw(s, opts['U'], false)
	case opts['u'] != "":
		_, user, _ = getpw(s, opts['u'], true)
	}
	switch {
	case opts['G'] != "":
		group, _ = s.Mac.Find(mac.Groups, opts['G'])
	case opts['g'] != "":
		group, _ = s.Mac.Holder(mac.Groups, "PrimaryGroupID", opts['g'], "")
	}
	switch {
	case user == nil:
		s.Printf("The user %s cannot be found\n", opts['U']+opts['u'])
		return 67
	case group == nil:
		s.Printf("The group %s cannot be found\n", opts['G']+opts['g'])
		return 67
	case isMember(group, user):
		s.Printf("user is a member of the group\n")
	default:
		s.Printf("user is not a member of the group\n")
	}
	return 0
}

func id(s *mac.Session, args []string) int {
	s.Read()
	opts, rest, ok := getopt(args, "AFGMPagnpru")
	if !ok {
		s.Errorf("usage: id [user]\n")
		return 64
	}
	who := "root"
	if len(rest) > 0 {
		who = rest[0]
	} else if !s.Config.IsRoot() {
		all, err := s.Mac.Holder(mac.Users, "UniqueID", "501", "")
		s.Must(err)
		who = all.Name()
	}
	p, r, found := getpw(s, who, false)
	if !found {
		if _, err := strconv.Atoi(who); err == nil {
			p, r, found = getpw(s, who, true)
		}
	}
	if !found {
		s.Errorf("id: %s: no such user\n", who)
		return 1
	}
	groups, err := s.Mac.All(mac.Groups)
	s.Must(err)
	slices.SortStableFunc(groups, func(a, b mac.Record) int {
		return cmp.Compare(number(first(a["gid"], "")), number(first(b["gid"], "")))
	})
	// The primary group leads the list, with its number alone if nobody knows it.
	primary := ""
	ids, names := []string{p.gid}, []string{""}
	for _, g := range groups {
		gid := first(g["gid"], "-2")
		if gid == p.gid {
			primary, names[0] = g.Name(), g.Name()
		} else if isMember(g, r) || g.Name() == "everyone" {
			ids, names = append(ids, gid), append(names, g.Name())
		}
	}
	_, asName := opts['n']
	_, asUID := opts['u']
	_, asGID := opts['g']
	_, asGroups := opts['G']
	switch {
	case asUID && asName:
		s.Printf("%s\n", p.name)
	case asUID:
		s.Printf("%s\n", p.uid)
	case asGID && asName:
		s.Printf("%s\n", cmp.Or(primary, p.gid))
	case asGID:
		s.Printf("%s\n", p.gid)
	case asGroups && asName:
		names[0] = cmp.Or(names[0], p.gid)
		s.Printf("%s\n", strings.Join(names, " "))
	case asGroups:
		s.Printf("%s\n", strings.Join(ids, " "))
	default:
		label := func(i int) string {
			if names[i] == "" {
				return ids[i]
			}
			return ids[i] + "(" + names[i] + ")"
		}
		s.Printf("uid=%s(%s) gid=%s groups=%s", p.uid, p.name, label(0), label(0))
		for i := 1; i < len(ids); i++ {
			s.Printf(",%s", label(i))
		}
		s.Printf("\n")
	}
	return 0
}

func number(v string) int {
	n, _ := strconv.Atoi(v)
	return n
}

// tccutil knows reset and does nothing with it.
func tccutil(s *mac.Session, args []string) int {
	if len(args) < 2 || args[0] != "reset" {
		s.Errorf("tccutil: Usage: tccutil reset SERVICE [BUNDLE_ID]\n")
		return 64
	}
	s.Change()
	s.Printf("Successfully reset %s approval status\n", args[1])
	return 0
}

type column struct {
	keyword, header string
	right           bool
	value           func(mac.Process) string
}

func ps(s *mac.Session, args []string) int {
	s.Read()
	var columns []column
	everyone := false
	var pids []int
	for i := 0; i < len(args); i++ {
		a := args[i]
		flags, isFlags := strings.CutPrefix(a, "-")
		if !isFlags && i > 0 {
			continue
		}
		for j, f := range flags {
			arg := func() string {
				if v := flags[j+1:]; v != "" {
					return v
				}
				if i+1 < len(args) {
					i++
					return args[i]
				}
				return ""
			}
			switch f {
			case 'a', 'x', 'A', 'e', 'w', 'c':
				everyone = everyone || f != 'w' && f != 'c'
				continue
			case 'p':
				for v := range strings.SplitSeq(arg(), ",") {
					pids = append(pids, number(v))
				}
			case 'o':
				cols, bad := psColumns(s, arg())
				if bad != "" {
					s.Errorf("ps: %s: keyword not found\nps: no valid keywords; valid keywords:\n", bad)
					return 1
				}
				columns = append(columns, cols...)
			default:
				s.Errorf("ps: illegal option -- %c\nusage: ps [-AaCcEefhjlMmrSTvwXx] [-O fmt | -o fmt] [-G gid[,gid...]]\n", f)
				return 1
			}
			break
		}
	}
	if len(columns) == 0 {
		columns, _ = psColumns(s, "pid,ppid,uid,comm")
	}
	rows := slices.Clone(s.Config.Processes)
	slices.SortFunc(rows, func(a, b mac.Process) int { return cmp.Compare(a.PID, b.PID) })
	if len(pids) > 0 {
		rows = slices.DeleteFunc(rows, func(p mac.Process) bool { return !slices.Contains(pids, p.PID) })
	} else if !everyone {
		rows = nil
	}
	printTable(s, columns, rows)
	if len(pids) > 0 && len(rows) == 0 {
		return 1
	}
	return 0
}

// psColumns parses one -o. macOS's ps is a BSD one, whose manual says that a
// header set by "=" may hold commas and ends the argument; here, as on Linux,
// an empty header does not. Callers are safe with one -o for each keyword.
func psColumns(s *mac.Session, spec string) (columns []column, bad string) {
	users := map[int]string{}
	for field := range strings.FieldsFuncSeq(spec, func(r rune) bool { return r == ',' || r == ' ' }) {
		keyword, header, set := strings.Cut(field, "=")
		c := column{keyword: keyword, header: strings.ToUpper(keyword), right: true}
		switch keyword {
		case "pid":
			c.value = func(p mac.Process) string { return strconv.Itoa(p.PID) }
		case "ppid":
			c.value = func(p mac.Process) string { return strconv.Itoa(p.PPID) }
		case "pgid":
			c.value = func(p mac.Process) string { return strconv.Itoa(p.PID) }
		case "uid", "ruid":
			c.value = func(p mac.Process) string { return strconv.Itoa(p.UID) }
		case "user", "ruser":
			c.right = false
			c.value = func(p mac.Process) string {
				if _, ok := users[p.UID]; !ok {
					pw, _, ok := getpw(s, strconv.Itoa(p.UID), true)
					if !ok {
						pw.name = strconv.Itoa(p.UID)
					}
					users[p.UID] = pw.name
				}
				return users[p.UID]
			}
		case "state", "stat":
			c.header, c.right = "STAT", false
			c.value = func(p mac.Process) string { return cmp.Or(p.State, "S") }
		case "comm", "ucomm":
			c.right = false
			c.value = func(p mac.Process) string {
				if keyword == "ucomm" {
					return filepath.Base(p.Command)
				}
				return p.Command
			}
		case "command", "args":
			c.header, c.right = strings.ToUpper(keyword), false
			c.value = func(p mac.Process) string { return cmp.Or(p.Args, p.Command) }
		case "rss":
			c.value = func(mac.Process) string { return "1024" }
		case "time", "cputime":
			c.header = "TIME"
			c.value = func(mac.Process) string { return "0:00.10" }
		case "lstart":
			c.header, c.right = "STARTED", false
			c.value = func(mac.Process) string { return "Mon Sep 16 10:00:00 2024    " }
		default:
			return nil, keyword
		}
		if set {
			c.header = header
		}
		columns = append(columns, c)
	}
	return columns, ""
}

func printTable(s *mac.Session, columns []column, rows []mac.Process) {
	head := false
	width := make([]int, len(columns))
	cells := make([][]string, len(rows))
	for j, c := range columns {
		head = head || c.header != ""
		width[j] = len(c.header)
		if c.right {
			width[j] = max(width[j], 5)
		}
	}
	for i, p := range rows {
		for j, c := range columns {
			cells[i] = append(cells[i], c.value(p))
			width[j] = max(width[j], len(cells[i][j]))
		}
	}
	line := func(cell func(j int) string) {
		for j, c := range columns {
			pad := strings.Repeat(" ", width[j]-len(cell(j)))
			switch {
			case c.right:
				s.Printf("%s%s", pad, cell(j))
			case j < len(columns)-1:
				s.Printf("%s%s", cell(j), pad)
			default:
				s.Printf("%s", cell(j))
			}
			if j < len(columns)-1 {
				s.Printf(" ")
			}
		}
		s.Printf("\n")
	}
	if head {
		line(func(j int) string { return columns[j].header })
	}
	for i := range rows {
		line(func(j int) string { return cells[i][j] })
	}
}

// lsof shows the configured open files: those under the given paths, or all.
// It exits 1 when there are none, as lsof does.
func lsof(s *mac.Session, args []string) int {
	s.Read()
	terse, fields := false, ""
	recursive := false
	var paths []string
	for i := 0; i < len(args); i++ { //nolint:modernize // arg moves i on
		switch a := args[i]; {
		case a == "-t":
			terse = true
		case strings.HasPrefix(a, "-F"):
			fields = cmp.Or(a[2:], "pcfn")
		case a == "+D" || a == "+d":
			recursive = true
		case a == "--":
		case strings.HasPrefix(a, "-"):
		default:
			paths = append(paths, strings.TrimRight(a, "/"))
		}
	}
	var rows []mac.OpenFile
	for _, f := range s.Config.OpenFiles {
		ok := len(paths) == 0
		for _, p := range paths {
			ok = ok || f.Path == p || recursive && strings.HasPrefix(f.Path, p+"/")
		}
		if ok {
			rows = append(rows, f)
		}
	}
	if len(rows) == 0 {
		return 1
	}
	if !terse && fields == "" {
		s.Printf("COMMAND     PID  USER   FD   TYPE DEVICE SIZE/OFF     NODE NAME\n")
	}
	last := 0
	for _, f := range rows {
		var p mac.Process
		for _, q := range s.Config.Processes {
			if q.PID == f.PID {
				p = q
			}
		}
		pw, _, ok := getpw(s, strconv.Itoa(p.UID), true)
		if !ok {
			pw.name = strconv.Itoa(p.UID)
		}
		switch {
		case terse:
			if f.PID != last {
				s.Printf("%d\n", f.PID)
			}
		case fields != "":
			if f.PID != last {
				s.Printf("p%d\n", f.PID)
				if strings.Contains(fields, "c") {
					s.Printf("c%s\n", filepath.Base(p.Command))
				}
				if strings.Contains(fields, "u") {
					s.Printf("u%d\n", p.UID)
				}
			}
			s.Printf("f3\n")
			if strings.Contains(fields, "l") {
				s.Printf("l%s\n", cmp.Or(f.Lock, " "))
			}
			if strings.Contains(fields, "n") {
				s.Printf("n%s\n", f.Path)
			}
		default:
			s.Printf("%-9.9s %5d %5s    3u%s  REG   1,16        0 %8d %s\n", filepath.Base(p.Command), f.PID, pw.name, cmp.Or(f.Lock, " "), 1, f.Path)
		}
		last = f.PID
	}
	return 0
}
