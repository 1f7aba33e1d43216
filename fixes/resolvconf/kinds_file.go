package resolvconf

import "github.com/lixfix/lixfix/fixes/fix"

// Kinds that are about /etc/resolv.conf itself.
var (
	dangling = &fix.Kind{
		ID: Name + "/dangling-link", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title: "/etc/resolv.conf is a link to nothing",
		Means: "Nix, and Lix before 2.94, cannot start a build that downloads, because they cannot mount the file. Newer Lix " +
			"starts it without one, and lookups go to 127.0.0.1, where usually nobody listens.",
		Messages: []string{
			"getting attributes of path '/etc/resolv.conf': No such file or directory",
			"opening file '/etc/resolv.conf': No such file or directory",
		},
		Says: "/etc/resolv.conf is a link to a file that is not there",
		Remedies: []fix.Remedial{
			{
				Case: caseStart, When: "the service that writes the target is stopped", Class: fix.Risky,
				Changes: "starts {unit}, which writes the file that the link points to", Undo: undoStart,
			},
			{
				Case: caseRelink, When: "another manager is there", Class: fix.Risky,
				Changes: "points /etc/resolv.conf at {file}, which {writer} writes and whose server answers", Undo: undoLink,
			},
			managed("have the target created, or point the link at a file that exists"),
		},
		Sources: []string{"https://github.com/NixOS/nix/issues/11004"},
	}
	missing = &fix.Kind{
		ID: Name + "/file-missing", Status: fix.Broken, Also: []fix.Status{fix.AtRisk}, Title: "there is no /etc/resolv.conf",
		Means:    "Resolvers then ask 127.0.0.1. Unless a name server listens there, no build can look up a name.",
		Messages: []string{cantResolve, tempFailure},
		Says:     "there is no /etc/resolv.conf, so lookups go to 127.0.0.1",
		Remedies: []fix.Remedial{
			{
				Case: caseRelink, When: "a manager keeps such a file", Class: fix.Risky,
				Changes: "links /etc/resolv.conf to {file}, which {writer} writes and whose server answers",
				Undo:    "lixfix undo removes the link",
			},
			{
				Case: caseWrite, When: "you name servers with --" + optServer, Class: fix.Risky,
				Changes: "writes /etc/resolv.conf with the servers you named", Undo: "lixfix undo removes the file",
			},
			managed("have the file created"), nameOne,
		},
		Sources: []string{manResolv},
	}
	notFile = &fix.Kind{
		ID: Name + "/not-a-file", Status: fix.Broken, Also: []fix.Status{fix.AtRisk}, Title: "/etc/resolv.conf is not a file",
		Means:    "Builds that download cannot start, or wait forever for something to come out of it.",
		Messages: []string{"reading file '/etc/resolv.conf': Is a directory", "error: reading from file: Is a directory"},
		Says:     "/etc/resolv.conf is a directory",
		Or: map[string]fix.Words{
			"special": "/etc/resolv.conf is {what}: a build waits for what comes out of it, perhaps forever",
		},
		Remedies: []fix.Remedial{
			{
				Case: caseDir, When: "it is a directory", Class: fix.Advice,
				Changes: "move the directory away; a container often leaves one when the file it was to mount was missing",
			},
			{
				Case: caseOther, When: "it is a pipe, a socket or a device", Class: fix.Advice,
				Changes: "move it away, and have whatever writes /etc/resolv.conf write a file",
			},
		},
	}
	closed = &fix.Kind{
		ID: Name + "/not-readable-by-builders", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title: "build users cannot read /etc/resolv.conf",
		Means: "pasta reads it as a build user, and so do builds of Nix: neither finds a server. Root can read it, so the host " +
			"itself resolves names.",
		Messages: []string{
			"'/etc/resolv.conf' exists but is inaccessible, it will not be rewritten inside the sandbox", "/etc/resolv.conf: Permission denied",
		},
		Says: "build users such as {user} cannot read /etc/resolv.conf, because of the mode of {name}",
		Or: map[string]fix.Words{
			caseList: "build users such as {user} cannot read /etc/resolv.conf, because of the access control list of {name}",
		},
		Remedies: []fix.Remedial{
			{
				Case: caseMode, When: "nobody else writes the file", Class: fix.Safe,
				Changes: "lets everybody read /etc/resolv.conf", Undo: undoMode,
			},
			{
				Case: caseDir, When: "a directory on the way is closed", Class: fix.Risky,
				Changes: "lets everybody reach and read the file: {names}", Undo: undoMode,
			},
			{
				Case: "home", When: "the file is in somebody's home", Class: fix.Advice,
				Changes: "move the file out of the home directory, which should stay closed, and point the link at the new place",
			},
			unlist, managed("let everybody read the file"),
		},
	}
	// unlist is the advice about an access control list: lixfix does not write lists.
	unlist = fix.Remedial{
		Case: caseList, When: "an access control list keeps build users out", Class: fix.Advice,
		Changes: "look at the list with \"getfacl {name}\", and remove the entry with \"setfacl {change} {name}\"",
	}
	rewriting = fix.Remedial{
		Case: caseWrite, When: "nobody else writes the file", Class: fix.Safe,
		Changes: "writes the nameserver lines so that every reader takes them", Undo: undoText,
	}
	pastaSkips = &fix.Kind{
		ID: Name + "/pasta-skips-line", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title: "pasta ignores a nameserver line that others read",
		Means: "pasta takes a line only if a blank follows \"nameserver\" and nothing follows the address. A tab or a comment " +
			"is enough to hide the server from every sandboxed build, while the host resolves.",
		Messages: []string{cantResolve},
		Says:     "line {line} of /etc/resolv.conf has {trouble}, so pasta ignores the server {server}",
		Remedies: []fix.Remedial{rewriting, managed("have the line written without it")},
		Sources:  []string{manPasta},
	}
	glibcSkips = &fix.Kind{
		ID: Name + "/glibc-skips-line", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title: "the C library ignores a nameserver line",
		Means: "A carriage return, a byte order mark or a leading blank hides the server from most programs, in the sandbox and " +
			"on the host. Go programs may still resolve names, which makes it hard to see.",
		Messages: []string{cantResolve, notKnownName},
		Says:     "line {line} of /etc/resolv.conf has {trouble}, so the C library ignores the server {server}",
		Remedies: []fix.Remedial{rewriting, managed("have the line written without it")},
		Sources:  []string{manResolv},
	}
	pastaStops = &fix.Kind{
		ID: Name + "/pasta-stops-at-line", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title: "pasta stops reading at a long line, before it has seen the servers",
		Means: "pasta reads lines of at most 8 KiB and gives up at a longer one. The servers behind it exist for everybody but " +
			"sandboxed builds.",
		Messages: []string{cantResolve},
		Says:     "line {line} of /etc/resolv.conf is too long for pasta, which stops there and never sees the server {server}",
		Remedies: []fix.Remedial{
			{
				Case: caseReorder, When: "nobody else writes the file", Class: fix.Safe,
				Changes: "moves the nameserver lines before the long one", Undo: undoText,
			},
			managed("have the servers named before that line"),
		},
		Sources: []string{manPasta},
	}
	noServer = &fix.Kind{
		ID: Name + "/no-nameserver", Status: fix.Broken, Also: []fix.Status{fix.AtRisk}, Title: "/etc/resolv.conf names no server",
		Means: "Lookups then go to 127.0.0.1. The host may resolve names through other sources in nsswitch.conf, which the sandbox " +
			"does not have.",
		Messages: []string{cantResolve, tempFailure, "Couldn't get any nameserver address"},
		Remedies: []fix.Remedial{
			{
				Case: caseNamed, When: "you name servers with --" + optServer, Class: fix.Risky,
				Changes: "adds the servers you named to /etc/resolv.conf", Undo: undoText,
			},
			{
				Case: caseWrite, When: "systemd-resolved answers", Class: fix.Risky,
				Changes: "adds {stub}, the server of systemd-resolved, which answers", Undo: undoText,
			},
			managed("have a server written into the file"), nameOne,
		},
		Sources: []string{manResolv},
	}
	replaced = &fix.Kind{
		ID: Name + "/sandbox-file-replaced", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title: "sandbox-paths replaces a file that lookups depend on",
		Means: "Builds see a resolv.conf, an nsswitch.conf or a hosts file that is not the host's, and it leads nowhere.",
		Says:  "{source} stands for {target} in the sandbox, and no server in it is known to answer there",
		Or: map[string]fix.Words{
			"missing": "no build starts: {source}, which sandbox-paths puts at {target}, is not there",
			"closed":  "build users cannot read {source}, which stands for {target} in the sandbox",
			"no-dns": "{source} stands for {target} in the sandbox, and its hosts line has no dns: no program there asks a name " +
				"server",
		},
		Remedies: []fix.Remedial{advise("take {target}={source} out of {setting}, or correct {source}; then restart the daemon")},
		Sources:  []string{"nix.conf(5), sandbox-paths"},
	}
	wsl = &fix.Kind{
		ID: Name + "/wsl", Status: fix.Broken, Also: []fix.Status{fix.AtRisk},
		Title:    "the resolv.conf of WSL is missing, or its server does not answer",
		Means:    "WSL writes the file at each start and points it at a server of Windows. Builds have no other.",
		Messages: []string{cantResolve},
		Says:     "WSL has not written the file that /etc/resolv.conf points to",
		Or:       map[string]fix.Words{caseServer: "the server of Windows, {server}, {does}"},
		Remedies: []fix.Remedial{starting, managed("have the file written, with a server that answers first")},
		Sources:  []string{"https://github.com/nix-community/NixOS-WSL/issues/777"},
	}
	split = &fix.Kind{
		ID: Name + "/split-dns", Status: fix.AtRisk, Title: "builds do not know the domains of a VPN",
		Means: "systemd-resolved sends them to servers of their own, but only for those who ask its stub. /etc/resolv.conf leads past " +
			"it, so builds cannot fetch from there.",
		Says: "a VPN has domains of its own, and /etc/resolv.conf points to the file of systemd-resolved that does not know them",
		Remedies: []fix.Remedial{
			{
				Case: caseRelink, When: "the stub answers", Class: fix.Risky,
				Changes: "points /etc/resolv.conf at {file}, which knows them", Undo: undoLink,
			},
			managed("point the link at {file}"),
		},
		Sources: []string{"systemd-resolved.service(8)"},
	}
)

// Owner is whoever writes /etc/resolv.conf.
type Owner string

const (
	Nobody         Owner = "nobody" // a file of the administrator's
	Resolved       Owner = "systemd-resolved"
	NetworkManager Owner = "NetworkManager"
	NixOS          Owner = "NixOS"
	Resolvconf     Owner = "resolvconf"
	DHCP           Owner = "a DHCP client"
	ConnMan        Owner = "connman"
	Netconfig      Owner = "netconfig"
	Tailscale      Owner = "Tailscale"
	WSL            Owner = "WSL"
	Container      Owner = "the container runtime"
	Mount          Owner = "a mount"  // a bind mount of somebody's
	Stranger       Owner = "somebody" // a link to a place that lixfix does not know
)

// headers are what owners write at the top, in small letters. The first that is found decides.
var headers = []struct {
	text  string
	owner Owner
}{
	{"generated by tailscale", Tailscale},
	{"automatically generated by wsl", WSL},
	{"generated by docker", Container},
	{"generated by networkmanager", NetworkManager},
	{"man:systemd-resolved(8)", Resolved},
	{"generated by resolvconf", Resolvconf},
	{"resolvconf(8)", Resolvconf},
	{"generated by dhcpcd", DHCP},
	{"dhcpcd from", DHCP},
	{"generated by dhclient", DHCP},
	{"dhclient", DHCP},
	{"connman", ConnMan},
	{"netconfig", Netconfig},
}

// owners say how whoever writes /etc/resolv.conf is told of another server. (resolved.conf(5), nm-settings(5),
// resolvconf.conf(5), dhcpcd.conf(5), dhclient.conf(5), tailscale set --help, wsl.conf).
var owners = map[Owner]terms{
	Resolved: {
		how: "systemd-resolved writes it: put [Resolve] and DNS={address} into /etc/systemd/resolved.conf.d/dns.conf, then " +
			"\"systemctl restart systemd-resolved\"; for one link until the next boot: \"resolvectl dns INTERFACE {address}\"",
		unit: "systemd-resolved.service", stub: "/run/systemd/resolve/stub-resolv.conf",
	},
	NetworkManager: {
		how: "NetworkManager writes it: run \"nmcli connection modify CONNECTION ipv4.dns {address} ipv4.ignore-auto-dns " +
			"yes\", then \"nmcli connection up CONNECTION\"",
		unit: "NetworkManager.service", stub: "/run/NetworkManager/resolv.conf",
	},
	NixOS: {
		how: "NixOS generates it: set networking.nameservers = [ \"{address}\" ]; or services.resolved.enable = true; in " +
			"the configuration and rebuild",
	},
	Resolvconf: {
		how: "resolvconf writes it: put name_servers={address} into /etc/resolvconf.conf (openresolv), or a nameserver line " +
			"into /etc/resolvconf/resolv.conf.d/head (Debian's resolvconf), then run \"resolvconf -u\"",
	},
	DHCP: {
		how: "a DHCP client writes it: put \"static domain_name_servers={address}\" into /etc/dhcpcd.conf (dhcpcd), or " +
			"\"supersede domain-name-servers {address};\" into /etc/dhcp/dhclient.conf (dhclient), then renew the lease",
	},
	ConnMan: {
		how:  "connman writes it: run \"connmanctl config SERVICE nameservers {address}\"",
		unit: "connman.service", stub: "/run/connman/resolv.conf",
	},
	Netconfig: {
		how: "netconfig writes it: set NETCONFIG_DNS_STATIC_SERVERS=\"{address}\" in /etc/sysconfig/network/config, then " +
			"run \"netconfig update -f\"",
	},
	Tailscale: {
		how: "Tailscale writes it: run \"tailscale set --accept-dns=false\" and give this host servers of its own, or run " +
			"systemd-resolved, which Tailscale then works through",
		unit: "tailscaled.service",
	},
	WSL: {
		how: "WSL writes it: put [network] and generateResolvConf=false into /etc/wsl.conf, write /etc/resolv.conf by hand, " +
			"then run \"wsl --shutdown\" in Windows; on NixOS-WSL set wsl.wslConf.network.generateResolvConf = false",
	},
	Container: {
		how: "the container runtime writes it: give the container servers from outside, with \"docker run --dns " +
			"{address}\", \"dns\" in /etc/docker/daemon.json, or dnsConfig of the pod; what is written inside is lost at the " +
			"next start",
	},
	Mount:    {how: "something is mounted over /etc/resolv.conf: change the file where the mount comes from"},
	Stranger: {how: "the link leads to a file that lixfix does not know: change that file, or ask whoever made the link"},
	Nobody:   {how: "edit /etc/resolv.conf"},
}
