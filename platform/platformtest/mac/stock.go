package mac

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// account is one of Apple's.
type account struct {
	id   int
	name string
	real string
}

// stockUsers are the role accounts of macOS 14, by number. The numbers from 200
// are those of wh0/wh0.github.io: _posts/2024-11-18-macos-userids.md; names it
// does not give are made up after what lives there.
var stockUsers = []account{
	{-2, "nobody", "Unprivileged User"},
	{0, "root", "System Administrator"},
	{1, "daemon", "System Services"},
	{4, "_uucp", "Unix to Unix Copy Protocol"},
	{13, "_taskgated", "Task Gate Daemon"},
	{24, "_networkd", "Network Services"},
	{25, "_installassistant", "Install Assistant"},
	{26, "_lp", "Printing Services"},
	{27, "_postfix", "Postfix Mail Server"},
	{31, "_scsd", "Service Configuration Service"},
	{32, "_ces", "Certificate Enrollment Service"},
	{33, "_appstore", "Mac App Store Service"},
	{54, "_mcxalr", "MCX AppLaunch"},
	{55, "_appleevents", "AppleEvents Daemon"},
	{56, "_geod", "Geo Services Daemon"},
	{59, "_devdocs", "Developer Documentation"},
	{60, "_sandbox", "Seatbelt"},
	{65, "_mdnsresponder", "mDNSResponder"},
	{67, "_ard", "Apple Remote Desktop"},
	{70, "_www", "World Wide Web Server"},
	{71, "_eppc", "Apple Events User"},
	{72, "_cvs", "CVS Server"},
	{73, "_svn", "SVN Server"},
	{74, "_mysql", "MySQL Server"},
	{75, "_sshd", "sshd Privilege separation"},
	{76, "_qtss", "QuickTime Streaming Server"},
	{77, "_cyrus", "Cyrus Administrator"},
	{78, "_mailman", "Mailman List Server"},
	{79, "_appserver", "Application Server"},
	{82, "_clamav", "ClamAV Daemon"},
	{83, "_amavisd", "AMaViS Daemon"},
	{84, "_jabber", "Jabber XMPP Server"},
	{87, "_appowner", "Application Owner"},
	{88, "_windowserver", "WindowServer"},
	{89, "_spotlight", "Spotlight"},
	{91, "_tokend", "Token Daemon"},
	{92, "_securityagent", "SecurityAgent"},
	{93, "_calendar", "Calendar"},
	{94, "_teamsserver", "TeamsServer"},
	{95, "_update_sharing", "Update Sharing"},
	{96, "_installer", "Installer"},
	{97, "_atsserver", "ATS Server"},
	{98, "_ftp", "FTP Daemon"},
	{99, "_unknown", "Unknown User"},
	{200, "_softwareupdate", "Software Update Service"},
	{202, "_coreaudiod", "Core Audio Daemon"},
	{203, "_screensaver", "Screensaver"},
	{205, "_locationd", "Location Daemon"},
	{208, "_trustevaluationagent", "Trust Evaluation Agent"},
	{210, "_timezone", "AutoTimeZoneDaemon"},
	{211, "_lda", "Local Delivery Agent"},
	{212, "_cvmsroot", "CVMS Root"},
	{213, "_usbmuxd", "iPhone OS Device Helper"},
	{214, "_dovecot", "Dovecot Administrator"},
	{215, "_dpaudio", "DP Audio"},
	{216, "_postgres", "PostgreSQL Server"},
	{217, "_krbtgt", "Kerberos Ticket Granting Ticket"},
	{218, "_kadmin_admin", "Kerberos Admin Service"},
	{219, "_kadmin_changepw", "Kerberos Change Password Service"},
	{220, "_devicemgr", "Device Management Server"},
	{221, "_webauthserver", "Web Auth Server"},
	{222, "_netbios", "NetBIOS"},
	{224, "_warmd", "Warm Daemon"},
	{227, "_dovenull", "Dovecot Authentication"},
	{228, "_netstatistics", "Network Statistics Daemon"},
	{229, "_avbdeviced", "Ethernet AVB Device Daemon"},
	{230, "_krb_krbtgt", "Open Directory Kerberos Ticket Granting Ticket"},
	{231, "_krb_kadmin", "Open Directory Kerberos Admin Service"},
	{232, "_krb_changepw", "Open Directory Kerberos Change Password Service"},
	{233, "_krb_kerberos", "Open Directory Kerberos"},
	{234, "_krb_anonymous", "Open Directory Kerberos Anonymous"},
	{235, "_assetcache", "Asset Cache Service"},
	{236, "_coremediaiod", "Core Media IO Daemon"},
	{239, "_launchservicesd", "_launchservicesd"},
	{240, "_iconservices", "IconServices"},
	{241, "_distnote", "DistNote"},
	{242, "_nsurlsessiond", "NSURLSession Daemon"},
	{244, "_displaypolicyd", "Display Policy Daemon"},
	{245, "_astris", "Astris Services"},
	{246, "_krbfast", "Kerberos FAST Account"},
	{247, "_gamecontrollerd", "Game Controller Daemon"},
	{248, "_mbsetupuser", "Setup User"},
	{249, "_ondemand", "On Demand Resource Daemon"},
	{251, "_xserverdocs", "macOS Server Documents Service"},
	{252, "_wwwproxy", "WWW Proxy"},
	{253, "_mobileasset", "MobileAsset User"},
	{254, "_findmydevice", "Find My Device Daemon"},
	{257, "_datadetectors", "DataDetectors"},
	{258, "_captiveagent", "captiveagent"},
	{259, "_ctkd", "ctkd Account"},
	{260, "_applepay", "applepay Account"},
	{261, "_hidd", "HID Service User"},
	{262, "_cmiodalassistants", "CoreMedia IO Assistants User"},
	{263, "_analyticsd", "Analytics Daemon"},
	{265, "_fpsd", "FPS Daemon"},
	{266, "_timed", "Time Sync Daemon"},
	{268, "_nearbyd", "Proximity and Ranging Daemon"},
	{269, "_reportmemoryexception", "ReportMemoryException"},
	{270, "_driverkit", "DriverKit"},
	{271, "_diskimagesiod", "DiskImages IO Daemon"},
	{272, "_logd", "Log Daemon"},
	{273, "_appinstalld", "App Install Daemon"},
	{274, "_installcoordinationd", "Install Coordination Daemon"},
	{275, "_demod", "Demo Daemon"},
	{277, "_rmd", "Remote Management Daemon"},
	{278, "_accessoryupdater", "Accessory Update Daemon"},
	{279, "_knowledgegraphd", "Knowledge Graph Daemon"},
	{280, "_coreml", "CoreML Services"},
	{281, "_sntpd", "SNTP Server Daemon"},
	{282, "_trustd", "trustd"},
	{283, "_mmaintenanced", "mmaintenanced"},
	{284, "_darwindaemon", "Darwin Daemon"},
	{285, "_notification_proxy", "Notification Proxy"},
	{288, "_avphidbridge", "Apple Virtual Platform HID Bridge"},
	{289, "_biome", "Biome"},
	{291, "_backgroundassets", "Background Assets Service"},
	{293, "_mobilegestalthelper", "MobileGestaltHelper"},
	{294, "_audiomxd", "Audio and MediaExperience Daemon"},
	{295, "_terminusd", "Terminus"},
	{296, "_neuralengine", "AppleNeuralEngine"},
	{297, "_eligibilityd", "OS Eligibility Daemon"},
	{298, "_systemstatusd", "SystemStatus Daemon"},
	{441, "_oahd", "OAH Daemon"},
}

// taken is what each release of macOS added at 300 and above.
var taken = []struct {
	major    int
	accounts []account
}{
	{15, []account{
		{300, "_aonsensed", "Always On Sense Daemon"},
		{301, "_modelmanagerd", "Model Manager"},
		{302, "_reportsystemmemory", "ReportSystemMemory"},
		{303, "_swtransparencyd", "Software Transparency Services"},
		{304, "_naturallanguaged", "Natural Language Services"},
	}},
	{26, []account{
		{305, "_spinandd", "Spinand Daemon"},
		{306, "_corespeechd", "Core Speech Daemon"},
		{307, "_diagnosticservicesd", "Diagnostic Services Daemon"},
		{308, "_mds_stores", "Metadata Stores"},
	}},
}

var stockGroups = []account{
	{-2, "nobody", "Nobody"},
	{-1, "nogroup", "No Group"},
	{0, "wheel", "System Group"},
	{1, "daemon", "System Services"},
	{2, "kmem", "Kernel Memory"},
	{3, "sys", "System"},
	{4, "tty", "Terminal"},
	{5, "operator", "Operator"},
	{6, "mail", "Mail"},
	{7, "bin", "Binaries"},
	{8, "procview", "View Processes"},
	{9, "procmod", "Modify Processes"},
	{10, "owner", "Owner"},
	{12, "everyone", "Everyone"},
	{16, "group", "Group"},
	{20, "staff", "Staff"},
	{29, "certusers", "Certificate Users"},
	{45, "utmp", "Unix Time Management"},
	{61, "localaccounts", "Local Accounts"},
	{62, "netaccounts", "Network Accounts"},
	{68, "dialer", "Dialer"},
	{69, "network", "Network"},
	{80, "admin", "Administrators"},
	{90, "accessibility", "Accessibility"},
	{100, "_lpoperator", "Print Operators"},
	{204, "_developer", "Developer"},
	{250, "_analyticsusers", "Analytics Users"},
	{395, "com.apple.access_ftp", "FTP Service ACL"},
	{398, "com.apple.access_screensharing", "Screensharing Service ACL"},
	{399, "com.apple.access_ssh", "Remote Login Group"},
}

// few are the accounts of a small Mac: what a check looks at, and one of each
// kind it must leave alone.
var few = []string{
	"nobody", "nogroup", "root", "daemon", "wheel", "everyone", "staff", "admin", "_www", "_spotlight",
	"_softwareupdate", "_systemstatusd", "_oahd", "com.apple.access_ftp", "com.apple.access_ssh",
}

func major(version string) int {
	n, _ := strconv.Atoi(strings.SplitN(version, ".", 2)[0])
	return n
}

var builds = map[string]string{
	"13.7": "22H123", "14.6.1": "23G93", "14.7": "23H124", "15.0.1": "24A348", "15.1": "24B83",
	"26.1": "25B78", "26.4": "25E241", "26.6.2": "25G90",
}

func (c *Config) setVersion(version string) {
	c.Version, c.Build = version, builds[version]
	if c.Build == "" {
		// Darwin is nine ahead of macOS until 15 and one behind from 26.
		darwin := major(version) + 9
		if major(version) >= 26 {
			darwin = major(version) - 1
		}
		c.Build = fmt.Sprintf("%dA100", darwin)
	}
}

// systemVersion is the file that sw_vers prints and programs read, as macOS has it.
const systemVersion = "/System/Library/CoreServices/SystemVersion.plist"

func (m *Mac) writeVersion(c *Config) error {
	return m.WriteFile(systemVersion, fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>ProductBuildVersion</key>
	<string>%[1]s</string>
	<key>ProductName</key>
	<string>%[2]s</string>
	<key>ProductUserVisibleVersion</key>
	<string>%[3]s</string>
	<key>ProductVersion</key>
	<string>%[3]s</string>
	<key>iOSSupportVersion</key>
	<string>18.1</string>
</dict>
</plist>
`, c.Build, c.Product, c.Version))
}

func (m *Mac) seedStock(o Options) error {
	for _, a := range stockUsers {
		if !o.Few || slices.Contains(few, a.name) {
			if err := m.addApple(Users, a); err != nil {
				return err
			}
			// The daemons from 200 up have a group of their own number.
			if a.id >= 200 {
				if err := m.addApple(Groups, a); err != nil {
					return err
				}
			}
		}
	}
	for _, a := range stockGroups {
		if !o.Few || slices.Contains(few, a.name) {
			if err := m.addApple(Groups, a); err != nil {
				return err
			}
		}
	}
	for _, t := range taken {
		if major(o.Version) >= t.major {
			for _, a := range t.accounts {
				if err := m.addApplePair(a); err != nil {
					return err
				}
			}
		}
	}
	if o.Bare {
		return nil
	}
	return m.addPerson()
}

func (m *Mac) addApplePair(a account) error {
	if err := m.addApple(Users, a); err != nil {
		return err
	}
	return m.addApple(Groups, a)
}

func (m *Mac) addApple(k Kind, a account) error {
	r := Record{}
	r.Set("name", a.name)
	if bare, ok := strings.CutPrefix(a.name, "_"); ok && a.id < 200 {
		// The older ones keep the name they had before the underscore.
		r.Set("name", a.name, bare)
	}
	r.Set("realname", a.real)
	r.Set("passwd", "*")
	r.Set("generateduid", AppleGUID(k, a.id))
	r.Set("gid", strconv.Itoa(a.id))
	if k == Groups {
		r.Set("smb_sid", "S-1-5-21-"+strconv.Itoa(a.id&0xffff))
		switch a.name {
		case "wheel", "daemon", "sys", "operator", "procview", "procmod", "certusers":
			r.Set("users", "root")
		case "staff", "admin":
			r.Set("users", "root")
			r.Set("groupmembers", AppleGUID(Users, 0))
		case "_modelmanagerd":
			// The one member of group 301 that was seen (NixOS/nix#6153).
			r.Set("groupmembers", AppleGUID(Users, a.id))
		}
		return m.Put(k, r)
	}
	r.Set("uid", strconv.Itoa(a.id))
	r.Set("home", "/var/empty")
	r.Set("shell", "/usr/bin/false")
	switch a.name {
	case "root":
		r.Set("name", "root", `BUILTIN\Local System`)
		r.Set("home", "/var/root", "/private/var/root")
		r.Set("shell", "/bin/sh")
	case "daemon":
		r.Set("home", "/var/root")
	}
	return m.Put(k, r)
}

// addPerson adds the human user of the Mac. Its picture is what makes asking
// for all attributes of all users a mistake.
func (m *Mac) addPerson() error {
	r := Record{}
	r.Set("name", "alex", "com.apple.idms.appleid.prd.000-05-1234")
	r.Set("realname", "Alex Example")
	r.Set("uid", "501")
	r.Set("gid", "20")
	r.Set("home", "/Users/alex")
	r.Set("shell", "/bin/zsh")
	r.Set("passwd", "********")
	r.Set("generateduid", guid("user alex"))
	r.Set("authentication_authority", ";ShadowHash;HASHLIST:<SALTED-SHA512-PBKDF2,SRP-RFC5054-4096-SHA512-PBKDF2>", ";SecureToken;")
	r.Set("jpegphoto", "\xff\xd8\xff\xe0\x00\x10JFIF"+string(bytes.Repeat([]byte{0xa5, 0x5a, 0x00, 0xff}, 16<<10)))
	r.Set("_writers_hint", "alex")
	r.Set("accountPolicyData", accountPolicy)
	if err := m.Put(Users, r); err != nil {
		return err
	}
	for _, g := range []string{"staff", "admin"} {
		group, err := m.Find(Groups, g)
		if err != nil {
			return err
		}
		group.Set("users", append(group["users"], "alex")...)
		group.Set("groupmembers", append(group["groupmembers"], guid("user alex"))...)
		if err := m.Put(Groups, group); err != nil {
			return err
		}
	}
	return nil
}

const accountPolicy = PlistHead + `<dict>
	<key>creationTime</key>
	<real>1696118400.5</real>
</dict>
` + PlistTail

// Upgrade is an upgrade of macOS as far as the directory goes: below dscl, it
// deletes whoever holds a UID of Apple's new accounts, whatever the name, and
// adds those accounts and their groups. Groups keep naming the deleted users by
// name and by GeneratedUID (NixOS/nix#11364).
func (m *Mac) Upgrade(to string) error {
	c, err := m.ReadConfig()
	if err != nil {
		return err
	}
	from := major(c.Version)
	for _, t := range taken {
		if from >= t.major || major(to) < t.major {
			continue
		}
		for _, a := range t.accounts {
			for {
				r, err := m.holder(Users, "uid", strconv.Itoa(a.id), "")
				if err != nil {
					return err
				}
				if r == nil {
					break
				}
				if err := m.Remove(Users, r.Name()); err != nil {
					return err
				}
			}
			if err := m.addApplePair(a); err != nil {
				return err
			}
		}
	}
	return m.Config(func(c *Config) { c.setVersion(to) })
}
