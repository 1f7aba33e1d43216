package mactools

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/platform/platformtest/mac"
)

var (
	labelKey   = regexp.MustCompile(`<key>Label</key>\s*<string>([^<]*)</string>`)
	programKey = regexp.MustCompile(`<string>([^<]*)</string>`)
)

func launchctl(s *mac.Session, args []string) int {
	if len(args) == 0 {
		s.Errorf("Usage: launchctl <subcommand> ... | help [subcommand]\n")
		return 64
	}
	verb, args := args[0], args[1:]
	writes := slices.Contains([]string{"bootout", "bootstrap", "kickstart", "kill", "enable", "disable", "load", "unload"}, verb)
	// The switch only changes the count: the verbs still exclude each other.
	if writes && !s.Config.Switches.FreeLaunchctl {
		s.Write()
	} else if writes {
		s.Change()
	} else {
		s.Read()
	}
	c := s.Config
	switch verb {
	case "managername":
		s.Printf("%s\n", c.Session)
		return 0
	case "managerpid":
		s.Printf("1\n")
		return 0
	case "list":
		return listServices(s, args)
	case "print":
		if len(args) != 1 {
			return launchctlUsage(s, verb)
		}
		return printService(s, args[0])
	case "bootout":
		return bootout(s, args)
	case "bootstrap":
		return bootstrap(s, args)
	case "kickstart":
		return kickstart(s, args)
	case "enable", "disable":
		return 0
	}
	s.Errorf("Unrecognized subcommand: %s\n", verb)
	return 64
}

func launchctlUsage(s *mac.Session, verb string) int {
	s.Errorf("Unrecognized target specifier.\nUsage: launchctl %s <target>\n", verb)
	return 64
}

// target splits system/LABEL.
func target(arg string) (label string, ok bool) {
	return strings.CutPrefix(arg, "system/")
}

func notFound(s *mac.Session, label string) int {
	s.Errorf("Could not find service \"%s\" in domain for system\n", label)
	return 113
}

func listServices(s *mac.Session, args []string) int {
	if len(args) == 1 {
		svc := s.Config.Service(args[0])
		if svc == nil || !svc.Loaded {
			return notFound(s, args[0])
		}
		s.Printf("{\n\t\"LimitLoadToSessionType\" = \"System\";\n\t\"Label\" = \"%s\";\n\t\"OnDemand\" = false;\n\t\"LastExitStatus\" = 0;\n", svc.Label)
		if svc.PID != 0 {
			s.Printf("\t\"PID\" = %d;\n", svc.PID)
		}
		s.Printf("};\n")
		return 0
	}
	s.Printf("PID\tStatus\tLabel\n")
	for _, svc := range s.Config.Services {
		switch {
		case svc.Loaded && svc.PID != 0:
			s.Printf("%d\t0\t%s\n", svc.PID, svc.Label)
		case svc.Loaded:
			s.Printf("-\t0\t%s\n", svc.Label)
		}
	}
	return 0
}

func printService(s *mac.Session, arg string) int {
	if arg == "system" {
		s.Printf("system = {\n\ttype = system\n\thandle = 0\n\tservices = {\n")
		for _, svc := range s.Config.Services {
			if svc.Loaded {
				s.Printf("\t\t%8d      - \t%s\n", svc.PID, svc.Label)
			}
		}
		s.Printf("\t}\n}\n")
		return 0
	}
	label, ok := target(arg)
	if !ok {
		return launchctlUsage(s, "print")
	}
	svc := s.Config.Service(label)
	if svc == nil || !svc.Loaded {
		return notFound(s, label)
	}
	state := "not running"
	active := 0
	if svc.PID != 0 {
		state, active = "running", 1
	}
	s.Printf("system/%s = {\n\tactive count = %d\n\tpath = %s\n\ttype = LaunchDaemon\n\tstate = %s\n\n", label, active, svc.Plist, state)
	if len(svc.Program) > 0 {
		s.Printf("\tprogram = %s\n\targuments = {\n\t\t%s\n\t}\n\n", svc.Program[0], strings.Join(svc.Program, "\n\t\t"))
	}
	s.Printf("\tdomain = system\n\tminimum runtime = 10\n\texit timeout = 5\n\truns = 1\n")
	if svc.PID != 0 {
		s.Printf("\tpid = %d\n", svc.PID)
	}
	s.Printf("\timmediate reason = speculative\n\tforks = 0\n\texecs = 1\n\tinitialized = 1\n\tlast exit code = (never exited)\n\n\tproperties = runatload | keepalive | inferred program\n}\n")
	return 0
}

func bootout(s *mac.Session, args []string) int {
	if len(args) == 0 {
		return launchctlUsage(s, "bootout")
	}
	label, ok := target(args[0])
	if !ok && args[0] == "system" && len(args) == 2 {
		label, ok = labelIn(s, args[1])
	}
	if !ok {
		return launchctlUsage(s, "bootout")
	}
	if !s.Config.IsRoot() {
		s.Errorf("Boot-out failed: 1: Operation not permitted\n")
		return 1
	}
	svc := s.Config.Service(label)
	if svc == nil || !svc.Loaded {
		s.Errorf("Boot-out failed: 3: No such process\n")
		return 3
	}
	s.Config.Stop(svc)
	svc.Loaded = false
	s.SaveConfig()
	if s.Config.Switches.BootoutInProgress {
		s.Errorf("Boot-out failed: 36: Operation now in progress\n")
		return 36
	}
	return 0
}

func labelIn(s *mac.Session, plist string) (string, bool) {
	data, err := os.ReadFile(s.Mac.Path(plist))
	if err != nil {
		return "", false
	}
	m := labelKey.FindSubmatch(data)
	if m == nil {
		return "", false
	}
	return string(m[1]), true
}

func bootstrap(s *mac.Session, args []string) int {
	if len(args) < 2 || args[0] != "system" {
		return launchctlUsage(s, "bootstrap")
	}
	if !s.Config.IsRoot() {
		s.Errorf("Bootstrap failed: 1: Operation not permitted\n")
		return 1
	}
	plist := args[1]
	label, ok := labelIn(s, plist)
	if !ok {
		s.Errorf("Bootstrap failed: 5: Input/output error\n")
		return 5
	}
	svc := s.Config.Service(label)
	if svc != nil && svc.Loaded {
		if s.Config.Switches.BootstrapInProgress {
			s.Errorf("Bootstrap failed: 37: Operation already in progress\n")
			return 37
		}
		s.Errorf("Bootstrap failed: 5: Input/output error\n")
		return 5
	}
	if svc == nil {
		s.Config.Services = append(s.Config.Services, mac.Service{Label: label, Plist: plist})
		svc = s.Config.Service(label)
		data, _ := os.ReadFile(s.Mac.Path(plist))
		_, after, _ := strings.Cut(string(data), "<key>ProgramArguments</key>")
		after, _, _ = strings.Cut(after, "</array>")
		for _, m := range programKey.FindAllStringSubmatch(after, -1) {
			svc.Program = append(svc.Program, m[1])
		}
	}
	s.Config.Start(svc)
	s.SaveConfig()
	return 0
}

func kickstart(s *mac.Session, args []string) int {
	kill, show := false, false
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		kill = kill || strings.Contains(args[0], "k")
		show = show || strings.Contains(args[0], "p")
		args = args[1:]
	}
	if len(args) != 1 {
		return launchctlUsage(s, "kickstart")
	}
	label, ok := target(args[0])
	if !ok {
		return launchctlUsage(s, "kickstart")
	}
	svc := s.Config.Service(label)
	if svc == nil || !svc.Loaded {
		return notFound(s, label)
	}
	if !s.Config.IsRoot() {
		s.Errorf("Could not kickstart service \"%s\": 1: Operation not permitted\n", label)
		return 1
	}
	if kill {
		s.Config.Stop(svc)
	}
	s.Config.Start(svc)
	s.SaveConfig()
	if show {
		s.Printf("%d\n", svc.PID)
	}
	return 0
}
