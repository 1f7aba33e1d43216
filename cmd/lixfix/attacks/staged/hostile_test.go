//go:build linux

package staged

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lixfix/lixfix/platform/platformtest/linuxnet"
)

// TestProcesses: what root opens because a process of alice's names it.
func TestProcesses(t *testing.T) {
	t.Parallel()
	worlds := []world{
		{name: "descriptors", attacks: []string{
			"/etc/shadow", "/proc/kmsg", "a kernel log device", "a watchdog", "a FIFO", "root's file",
			"root's directory", "a root directory", "a working directory",
		}, stage: (*site).descriptors},
		{name: "names", attacks: []string{
			"title", "comm", "arguments", "a path", "bytes that are no UTF-8",
			"line ends",
		}, stage: (*site).titles},
	}
	for _, w := range worlds {
		w.way = processes
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			w.play(t)
		})
	}
}

// descriptors lets processes of alice's hold what only root may open, under names like those of Nix's temporary
// roots.
// Opening it by whatever name is noticed.
func (s *site) descriptors() {
	s.t.Helper()
	s.sh(`set -e
		mkdir /srv/devices
		mknod -m 0600 /srv/devices/kmsg c 1 11
		mknod -m 0600 /srv/devices/watchdog c 1 3
		mkdir -p /home/alice/temproots; chown alice /home/alice/temproots`)
	s.alice(`set -e
		mkfifo ~/temproots/fifo
		mkdir -p ~/named ~/jail/nix/var/nix/temproots ~/jail/etc ~/jail/proc
		mkfifo ~/jail/etc/passwd ~/jail/etc/nix.conf ~/jail/nix/var/nix/temproots/1
		for name in nix nix-store nix-daemon; do mkdir -p ~/run; ln ` + hers + ` ~/run/$name; done`)
	s.sh("chmod 0711 /root; echo " + secret + " >/root/watched; chmod 0600 /root/watched")
	targets := []string{
		"/etc/shadow", "/proc/kmsg", "/srv/devices/kmsg", "/srv/devices/watchdog",
		"/home/alice/temproots/fifo", "/root/watched", "/root",
	}
	for _, name := range []string{"nix", "nix-store", "nix-daemon"} {
		run := "/home/alice/run/" + name
		s.attack(s.UserCommand(run, append([]string{"attack", "enter", "named", "/home/alice/named"}, targets[:4]...)...))
		s.attack(s.UserCommand(run, "attack", "enter", "named", "/home/alice/named", targets[5]))
		s.attack(s.UserCommand(run, append([]string{"attack", "hold"}, targets...)...))
		s.attack(s.UserCommand(run, "attack", "enter", "root", "/home/alice/jail", "/nix/var/nix/temproots"))
	}
	s.watch(append([]string{
		"/home/alice/jail/etc/passwd", "/home/alice/jail/etc/nix.conf",
		"/home/alice/jail/nix/var/nix/temproots/1",
	}, targets[:6]...)...)
}

// TestFiles: files that lixfix reads because of their place, and that lead elsewhere.
func TestFiles(t *testing.T) {
	t.Parallel()
	worlds := []world{
		{name: "included by nix.conf", attacks: []string{
			"itself", "a file of root's", "a directory",
			"a chain of links", "sequences", "a large file",
		}, stage: func(s *site) {
			s.alice(`set -e
				cd ~
				echo '!include /home/alice/self' >self
				ln -s ` + secrets + `/file secret
				mkdir directory
				ln -s chain chain
				printf 'pasta-path = \e]0;owned\a\e[2J\nsandbox = \e[31m\n\e]0;owned\a\n' >sequences
				yes '# x = y' | head -c 30000000 >large`)
			s.sh(`for f in self secret directory chain sequences large; do echo "!include /home/alice/$f";
				done >>/etc/nix/nix.conf`)
		}},
		{name: "in the state directory", attacks: []string{
			"a FIFO", "a link to a FIFO", "a device", "a directory",
			"a link to root's file", "an empty journal", "noise",
		}, stage: func(s *site) {
			s.sh(`set -e
				mkdir -p ` + journals + ` && cd ` + journals + `
				mkfifo 20250101-000000-resolv-conf-0001.jsonl
				mkfifo /opt/fifo; ln -s /opt/fifo 20250101-000000-resolv-conf-0002.jsonl
				ln -s /dev/zero 20250101-000000-resolv-conf-0003.jsonl
				mkdir 20250101-000000-resolv-conf-0004.jsonl
				ln -s ` + secrets + `/file 20250101-000000-resolv-conf-0005.jsonl
				: >20250101-000000-resolv-conf-0006.jsonl
				printf '\e]0;owned\a\n{"journal":1}\n' >` + strange + `.jsonl`)
		}},
		{name: "of the system", attacks: []string{
			"a large /etc/hostname", "sequences in os-release",
			"sequences in passwd", "sequences in group", "a large resolv.conf",
		}, stage: func(s *site) {
			s.sh(`set -e
				head -c 15000000 /dev/zero | tr '\0' a >/etc/hostname
				rm -f /etc/os-release; printf 'PRETTY_NAME="\e]0;owned\a\e[2J"\nVERSION_ID="\e[31m"\n' >/etc/os-release
				printf 'mallory\e[2J:x:1300:1300:\e]0;owned\a:/home/\e[2J:/bin/sh\n' >>/etc/passwd
				printf 'm\e[2J:x:1300:alice\e[31m\n' >>/etc/group
				for i in $(seq 3000); do printf '# \e]0;owned\a %d\n' $i; done >>/etc/resolv.conf`)
		}},
	}
	for _, w := range worlds {
		w.way = files
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			w.play(t)
		})
	}
}

// TestSockets: names of sockets, and who listens.
func TestSockets(t *testing.T) {
	t.Parallel()
	w := world{
		way: sockets, attacks: []string{
			"a listener in a namespace", "a name with sequences", "an abstract name",
			"an abstract name with sequences", "a silent listener",
		},
		stage: func(s *site) {
			s.alice("mkdir -p ~/nix/bin ~/socket ~/sockets && cp " + hers + " ~/nix/bin/nix-daemon")
			added := s.alice("NIX_REMOTE=daemon nix-store --add ~/nix")
			s.attack(s.UserCommand(added+"/bin/nix-daemon", "attack", "enter", "daemon", "/home/alice/socket"))
			s.attack(s.byAlice("silent", "/home/alice/sockets/"+sequence, "@"+sequence,
				"@/nix/var/nix/daemon-socket/socket", "/home/alice/sockets/nix-daemon"))
		},
	}
	w.play(t)
}

// TestNetwork: name servers that answer with sequences, loops, lies about lengths, and 64 KiB.
func TestNetwork(t *testing.T) {
	t.Parallel()
	w := world{
		way: network, attacks: []string{
			"sequences", "a pointer to itself", "aliases in a circle", "64 KiB", "more records than bytes", "noise",
			"lengths beyond the end", "others' answers",
			"addresses of no length", "texts in a refusal", "a stream that stops",
		},
		stage: func(s *site) {
			s.sh("printf 'nameserver 192.0.2.11\nnameserver 192.0.2.10\n' >/etc/resolv.conf; " +
				"ip addr add 192.0.2.11/24 dev ext0")
			s.attack(s.Command(launcher, "attack", "dns", "192.0.2.11"))
		},
	}
	w.play(t)
}

// TestSilentDaemon: whoever listens where the daemon should takes connections and never says a word. Every command
// ends,
// and says so.
func TestSilentDaemon(t *testing.T) {
	t.Parallel()
	s := stage(t, linuxnet.Options{})
	s.Daemon(t)()
	s.sh("rm -f /nix/var/nix/daemon-socket/socket")
	s.attack(s.Command(launcher, "attack", "silent", "/nix/var/nix/daemon-socket/socket"))
	s.atOnce(sockets, 1)
}

// TestFIFO: nix.conf includes a file that alice has made a FIFO. Whoever opens that waits for a writer, also Nix.
func TestFIFO(t *testing.T) {
	t.Parallel()
	s := stage(t, linuxnet.Options{})
	s.Daemon(t)
	s.alice("mkfifo -m 0666 ~/fifo")
	s.sh("echo '!include /home/alice/fifo' >>/etc/nix/nix.conf")
	s.atOnce(files, 1)
}

// atOnce runs every command that changes nothing, all of them side by side, because each may have to wait for long.
func (s *site) atOnce(way string, attacks int) {
	s.t.Helper()
	s.armed()
	var all sync.WaitGroup
	ends := make([]ended, len(commands))
	for i, c := range commands {
		if strings.HasPrefix(c.row, "repair") || c.before != nil {
			continue // they are one after the other
		}
		all.Go(func() { ends[i] = s.run(call{limit: 100 * time.Second}, c.args...) })
	}
	all.Wait()
	for i, c := range commands {
		if ends[i].args == nil {
			continue
		}
		broken := s.breaches(ends[i])
		held := attacks
		if len(broken) > 0 {
			held = 0
			s.t.Errorf("%s", strings.Join(broken, "\n"))
		}
		scores.add(c.row, way, attacks, held)
	}
}

// TestManyDescriptors: processes of one user with very many open files do not keep a look from ending.
func TestManyDescriptors(t *testing.T) {
	t.Parallel()
	s := stage(t, linuxnet.Options{})
	s.alice("mkdir -p ~/run && cp " + hers + " ~/run/nix-store")
	s.attack(s.UserCommand("/bin/sh", "-c",
		"ulimit -n $(ulimit -Hn); exec /home/alice/run/nix-store attack many 60 4000 /home/alice"))
	s.armed()
	for _, c := range commands {
		if !strings.Contains(strings.Join(c.args, " "), "stuck") {
			continue
		}
		e := s.assault(c.row, processes, 60, call{limit: 100 * time.Second}, c.args...)
		t.Logf("%v: %v, of the processor %v", c.args, e.took.Round(time.Millisecond), e.cpu.Round(time.Millisecond))
		// Time by the clock tells how busy the machine is.
		if e.cpu > 8*time.Second {
			t.Errorf("%v took %v, and %v of the processor", c.args, e.took, e.cpu)
		}
	}
}
