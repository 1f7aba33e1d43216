package record

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"strings"
	"time"

	"github.com/lixfix/lixfix/platform"
	"github.com/lixfix/lixfix/platform/dnsquery"
	"github.com/lixfix/lixfix/platform/nixdaemon"
	"github.com/lixfix/lixfix/platform/pattern"
)

// line is a question with its answers, as a line of questions.jsonl.
type line struct {
	By      string   `json:"by,omitempty"` // the scope that asked
	Ask     string   `json:"ask"`
	Of      []string `json:"of,omitempty"`
	Answers []wire   `json:"answers"`
}

// wire is an answer. Content stands in a file of its own, which In names.
type wire struct {
	Times   int      `json:"times,omitempty"` // how often this was the answer; 0 for once
	In      string   `json:"in,omitempty"`
	Error   *fault   `json:"error,omitempty"`
	Names   []string `json:"names,omitempty"`
	File    *info    `json:"file,omitempty"`
	Is      bool     `json:"is,omitempty"`
	Text    string   `json:"text,omitempty"`
	Number  uint64   `json:"number,omitempty"`
	Time    string   `json:"time,omitempty"`
	Sockets []socket `json:"sockets,omitempty"`
	DNS     *dns     `json:"dns,omitempty"`
	Daemon  *daemon  `json:"daemon,omitempty"`
}

type info struct {
	Mode     fs.FileMode `json:"mode"`
	UID      int         `json:"uid,omitempty"`
	GID      int         `json:"gid,omitempty"`
	Size     int64       `json:"size,omitempty"`
	Target   string      `json:"target,omitempty"`
	Inode    uint64      `json:"inode,omitempty"`
	Device   [2]uint32   `json:"device,omitzero"` // of the file system, with File the identity of the file
	File     uint64      `json:"id,omitempty"`
	ACL      bool        `json:"acl,omitempty"`
	Links    uint64      `json:"links,omitempty"`
	Numbers  [2]uint32   `json:"numbers,omitzero"` // of a device
	Modified time.Time   `json:"modified,omitzero"`
}

type socket struct {
	Inode         uint64          `json:"inode"`
	TCP           bool            `json:"tcp,omitempty"`
	State         int             `json:"state"`
	Received      uint32          `json:"received,omitempty"`
	Sent          uint32          `json:"sent,omitempty"`
	Path          string          `json:"path,omitempty"`
	File          platform.FileID `json:"file,omitzero"`
	Peer          uint64          `json:"peer,omitempty"`
	Local         string          `json:"local,omitempty"`
	Remote        string          `json:"remote,omitempty"`
	Idle          time.Duration   `json:"idle,omitempty"` // nanoseconds
	Retransmits   int             `json:"retransmits,omitempty"`
	Unacked       int             `json:"unacked,omitempty"`
	BytesReceived uint64          `json:"bytes_received,omitempty"`
}

type dns struct {
	Error     string        `json:"error,omitempty"`
	RCode     int           `json:"rcode"`
	Addresses []netip.Addr  `json:"addresses,omitempty"`
	Truncated bool          `json:"truncated,omitempty"`
	Lame      bool          `json:"lame,omitempty"`
	Took      time.Duration `json:"took"` // nanoseconds
}

type daemon struct {
	Outcome  nixdaemon.Outcome `json:"outcome"`
	PID      int               `json:"pid"`
	UID      int               `json:"uid"`
	Protocol uint64            `json:"protocol,omitempty"`
	Version  string            `json:"version,omitempty"`
	Trust    nixdaemon.Trust   `json:"trust,omitempty"`
	Text     string            `json:"text,omitempty"`
	Error    *fault            `json:"error,omitempty"`
	Took     time.Duration     `json:"took"` // nanoseconds
}

// wired is an answer without its content.
func (a *answer) wired() wire {
	w := wire{Error: faultOf(a.err), Names: a.names, Is: a.is, Text: a.text, Number: a.number}
	if i := a.info; i != (platform.FileInfo{}) {
		w.File = &info{
			Mode: i.Mode, UID: i.UID, GID: i.GID, Size: i.Size, Target: i.Target, Inode: i.Inode,
			Device: [2]uint32{i.File.Major, i.File.Minor}, File: i.File.Inode, ACL: i.ACL, Links: i.Links,
			Numbers: [2]uint32{i.Major, i.Minor}, Modified: i.Modified,
		}
	}
	if !a.time.IsZero() {
		w.Time = a.time.Format(time.RFC3339Nano)
	}
	for _, s := range a.sockets {
		w.Sockets = append(w.Sockets, socket{
			Inode: s.Inode, TCP: s.TCP, State: s.State, Received: s.Received, Sent: s.Sent, Path: s.Path, File: s.File, Peer: s.Peer,
			Local: address(s.Local), Remote: address(s.Remote), Idle: s.Idle, Retransmits: s.Retransmits, Unacked: s.Unacked,
			BytesReceived: s.BytesReceived,
		})
	}
	if d := a.dns; d != nil {
		w.DNS = (*dns)(d)
	}
	if d := a.daemon; d != nil {
		w.Daemon = &daemon{
			Outcome: d.Outcome, PID: d.Peer.PID, UID: d.Peer.UID, Protocol: d.Protocol, Version: d.Version, Trust: d.Trust,
			Text: d.Text, Error: faultOf(d.Err), Took: d.Took,
		}
	}
	return w
}

func address(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func parseAddress(s string) (netip.AddrPort, error) {
	if s == "" {
		return netip.AddrPort{}, nil
	}
	return netip.ParseAddrPort(s)
}

// answer is what was recorded, with its content.
func (w *wire) answer(data []byte) (*answer, error) {
	a := &answer{data: data, names: w.Names, is: w.Is, text: w.Text, number: w.Number, err: w.Error.error()}
	if i := w.File; i != nil {
		a.info = platform.FileInfo{
			Mode: i.Mode, UID: i.UID, GID: i.GID, Size: i.Size, Target: i.Target, Inode: i.Inode,
			File: platform.FileID{Major: i.Device[0], Minor: i.Device[1], Inode: i.File}, ACL: i.ACL, Links: i.Links,
			Major: i.Numbers[0], Minor: i.Numbers[1], Modified: i.Modified,
		}
	}
	if w.Time != "" {
		t, err := time.Parse(time.RFC3339Nano, w.Time)
		if err != nil {
			return nil, errors.New("a time that is none")
		}
		a.time = t
	}
	for _, s := range w.Sockets {
		local, err1 := parseAddress(s.Local)
		remote, err2 := parseAddress(s.Remote)
		if err := errors.Join(err1, err2); err != nil {
			return nil, errors.New("an address of a socket that is none")
		}
		a.sockets = append(a.sockets, platform.Socket{
			Inode: s.Inode, TCP: s.TCP, State: s.State, Received: s.Received, Sent: s.Sent, Path: s.Path, File: s.File, Peer: s.Peer,
			Local: local, Remote: remote, Idle: s.Idle, Retransmits: s.Retransmits, Unacked: s.Unacked, BytesReceived: s.BytesReceived,
		})
	}
	if w.DNS != nil {
		a.dns = (*dnsquery.Answer)(w.DNS)
	}
	if d := w.Daemon; d != nil {
		a.daemon = &nixdaemon.Answer{
			Outcome: d.Outcome, Peer: nixdaemon.Peer{PID: d.PID, UID: d.UID}, Protocol: d.Protocol, Version: d.Version, Trust: d.Trust,
			Text: d.Text, Err: d.Error.error(), Took: d.Took,
		}
	}
	return a, nil
}

// Names of entries.
const (
	top       = "lixfix-record/"
	manifest  = top + "manifest.json"
	questions = top + "questions.jsonl"
)

// plain is how a name of a host looks that an entry can have as well.
var plain = pattern.New(`^(?:/[A-Za-z0-9._+@%=:,~-]{1,100})+$`)

const (
	longestPath = 180
	deepestPath = 20
)

// entryOf is the name of the entry for content that a question has brought. n counts all of them.
func entryOf(q *asked, n int) string {
	switch q.ask {
	case "query":
		tool := path.Base(q.of[0])
		if !plain.MatchString("/" + tool) {
			tool = "tool"
		}
		return fmt.Sprintf("tools/%04d-%s.txt", n, tool)
	case "tried":
		return fmt.Sprintf("tried/%04d.json", n)
	default:
		name := q.of[0]
		if plain.MatchString(name) && path.Clean(name) == name && len(name) <= longestPath && strings.Count(name, "/") <= deepestPath {
			return "files" + name
		}
		return fmt.Sprintf("odd/%04d", n)
	}
}
