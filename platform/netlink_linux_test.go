package platform

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// answerOf makes a datagram of messages, each a type, flags and a body.
func answerOf(seq uint32, messages ...[]any) []byte {
	var out []byte
	for _, m := range messages {
		body, _ := m[2].([]byte)
		head := make([]byte, unix.SizeofNlMsghdr)
		binary.NativeEndian.PutUint32(head, uint32(len(head)+len(body)))
		binary.NativeEndian.PutUint16(head[4:], uint16(m[0].(int)))
		binary.NativeEndian.PutUint16(head[6:], uint16(m[1].(int)))
		binary.NativeEndian.PutUint32(head[8:], seq)
		out = append(append(out, head...), body...)
		out = append(out, make([]byte, -len(out)&3)...)
	}
	return out
}

// TestDumped: only an answer that ends well, and is one to the question, is whole.
func TestDumped(t *testing.T) {
	code := func(n int32) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(n)) }
	done, one := []any{unix.NLMSG_DONE, unix.NLM_F_MULTI, code(0)}, []any{32, unix.NLM_F_MULTI, []byte("body!")}
	for name, c := range map[string]struct {
		data []byte
		n    int // bodies
		done bool
		err  error
	}{
		"nothing yet":         {data: nil},
		"empty":               {data: answerOf(7, done), done: true},
		"two":                 {data: answerOf(7, one, one, done), n: 2, done: true},
		"goes on":             {data: answerOf(7, one), n: 1},
		"of another question": {data: answerOf(6, one, done), err: errStranger},
		"changed meanwhile":   {data: answerOf(7, one, []any{unix.NLMSG_DONE, unix.NLM_F_MULTI | unix.NLM_F_DUMP_INTR, code(0)}), n: 1, err: errChanged},
		"failed at the end":   {data: answerOf(7, one, []any{unix.NLMSG_DONE, unix.NLM_F_MULTI, code(-int32(unix.EMSGSIZE))}), n: 1, done: true, err: unix.EMSGSIZE},
		"refused":             {data: answerOf(7, []any{unix.NLMSG_ERROR, 0, code(-int32(unix.EPERM))}), done: true, err: unix.EPERM},
		"an end that is none": {data: answerOf(7, []any{unix.NLMSG_DONE, 0, []byte{0}}), err: errShort},
		"lost messages":       {data: answerOf(7, []any{unix.NLMSG_OVERRUN, 0, []byte(nil)}), err: errCut},
		"cut":                 {data: answerOf(7, one, done)[:20], err: errShort},
	} {
		n := 0
		done, err := dumped(c.data, 7, func([]byte) error { n++; return nil })
		if n != c.n || done != c.done || !errors.Is(err, c.err) {
			t.Errorf("%s: %d bodies, %v, %v", name, n, done, err)
		}
	}
}

func FuzzDumped(f *testing.F) {
	f.Add(answerOf(1, []any{unix.NLMSG_DONE, 0, make([]byte, 4)}))
	f.Add(answerOf(1, []any{32, 2, make([]byte, 30)}))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = dumped(data, 1, func(body []byte) error { _, err := ranged(body); return err })
	})
}

// TestDumpTrustsNobody: what another process has sent to the socket is no answer.
func TestDumpTrustsNobody(t *testing.T) {
	ours, err := dialNetlink(unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.close()
	if err := unix.Bind(ours.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(ours.fd)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := dialNetlink(unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.close()
	forged := answerOf(1, []any{unix.NLMSG_DONE, unix.NLM_F_MULTI, make([]byte, 4)})
	if err := unix.Sendto(theirs.fd, forged, 0, name); err != nil {
		if os.Geteuid() != 0 {
			return // the kernel lets nobody but root send to others
		}
		t.Fatal(err)
	}
	err = ours.dump(t.Context(), unix.RTM_GETRULE, make([]byte, ruleHeader), func([]byte) error { return nil })
	if !errors.Is(err, errStranger) {
		t.Errorf("%v", err)
	}
}

// TestRuled makes the rules that it looks for, in a network namespace of its own.
func TestRuled(t *testing.T) {
	if os.Geteuid() != 0 {
		if is, err := kernelRuled(t.Context(), FirewallTables); err == nil {
			t.Errorf("whoever is not root is told of the firewall: %v", is)
		}
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread ends with its goroutine, and its namespace with it.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		expect := func(what Rules, want bool) {
			t.Helper()
			if is, err := kernelRuled(t.Context(), what); err != nil || is != want {
				t.Errorf("%s: %v, %v, want %v", what, is, err, want)
			}
		}
		run := func(argv ...string) {
			t.Helper()
			if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%v: %v\n%s", argv, err, out)
			}
		}
		expect(FirewallTables, false)
		expect(RoutesByUser, false)
		for _, family := range []string{"ip", "ip6", "inet", "arp", "bridge", "netdev"} {
			run("nft", "add", "table", family, "t")
			expect(FirewallTables, true)
			run("nft", "delete", "table", family, "t")
			expect(FirewallTables, false)
		}
		run("ip", "rule", "add", "to", "192.0.2.1", "prohibit")
		expect(RoutesByUser, false)
		for _, family := range []string{"-4", "-6"} {
			run("ip", family, "rule", "add", "uidrange", "5-7", "prohibit")
			expect(RoutesByUser, true)
			run("ip", family, "rule", "del", "uidrange", "5-7", "prohibit")
		}
		// More than fits into one message, and the one that counts comes last.
		var many strings.Builder
		for i := range 600 {
			fmt.Fprintf(&many, "rule add priority 100 to 192.0.2.1 fwmark %d table 1000\n", i+1)
		}
		batch := exec.Command("ip", "-batch", "-")
		batch.Stdin = strings.NewReader(many.String())
		if out, err := batch.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		expect(RoutesByUser, false)
		run("ip", "rule", "add", "priority", "32000", "uidrange", "5-7", "prohibit")
		expect(RoutesByUser, true)
	}()
	<-done
}
