package resolvconf

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ruleWords are what a rule has that looks at who sends: the user, or the group, of the socket.
var ruleWords = map[string][]string{
	"nft": {"skuid", "skgid"}, "iptables-save": {"--uid-owner", "--gid-owner"}, "ip6tables-save": {"--uid-owner", "--gid-owner"},
	"ip": {"uidrange"},
}

var (
	ruleOwners = regexp.MustCompile(`(! )?(skuid|skgid|--uid-owner|--gid-owner|uidrange)\s+(!= |)\{?\s*([0-9][0-9, -]*)`)
	// ruleEnds are the ways in which a packet, or a lookup of a route, ends.
	ruleEnds = regexp.MustCompile(`(?i)\b(?:drop|reject|blackhole|prohibit|unreachable)\b`)
	// ruleNarrow is what makes a rule one for some packets, of which nobody can say here whether DNS is among them.
	ruleNarrow = regexp.MustCompile(`\b(?:o|i)if(?:name)?\b|\b[ds]addr\b|\bmark\b|\bct \w+|\sport\b|\sport |-[oids] |\blimit\b`)
	rulePorts  = regexp.MustCompile(`dports?\s+(?:!= )?(\{[^}]*\}|\S+)`)
)

// judgeRules finds out whether a rule drops what the build user asks name servers.
func (s *survey) judgeRules() {
	if s.user.Known {
		s.drops = slices.ContainsFunc(s.rules, s.user.dropped)
	}
}

// dropped reports whether a rule of a firewall drops the questions of a user. Of rules that look at more than who sends,
// nobody can tell.
func (u who) dropped(rule string) bool {
	owners := ruleOwners.FindAllStringSubmatch(rule, -1)
	if !ruleEnds.MatchString(rule) || len(owners) == 0 || ruleNarrow.MatchString(rule) {
		return false
	}
	for _, m := range owners {
		id := u.UID
		if strings.Contains(m[2], "gid") {
			id = u.GID
		}
		if ranged(m[4], id) == (m[1] != "" || m[3] != "") {
			return false // it is about others
		}
	}
	ports := rulePorts.FindStringSubmatch(rule)
	return ports == nil || ranged(strings.ReplaceAll(ports[1], "domain", "53"), 53) != strings.Contains(ports[0], "!=")
}

// ranged reports whether a number is in a list such as "1, 5-7" or "1:4".
func ranged(list string, n int) bool {
	for part := range strings.FieldsFuncSeq(list, func(r rune) bool { return strings.ContainsRune("{}, ", r) }) {
		low, high, is := strings.Cut(strings.ReplaceAll(part, ":", "-"), "-")
		from, err := strconv.Atoi(low)
		to := from
		if is && err == nil {
			to, err = strconv.Atoi(high)
		}
		if err == nil && n >= from && n <= to {
			return true
		}
	}
	return false
}
