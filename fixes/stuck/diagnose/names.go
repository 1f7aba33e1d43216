package diagnose

import (
	"fmt"

	"github.com/lixfix/lixfix/fixes/stuck/say"
)

// title names a process in the tree.
func title(s *scene, p *proc) string {
	if p == nil {
		return "a process that cannot be seen"
	}
	name := say.Short(say.Plain(p.Program()), 24)
	if p.role == Helper {
		name = say.Plain(p.Name) // of a script, and not of its shell
	}
	switch p.role {
	case Worker:
		return fmt.Sprintf("worker %d", p.PID)
	case Listener:
		return fmt.Sprintf("daemon %d", p.PID)
	case Builder:
		return fmt.Sprintf("builder %d %s (%s)", p.PID, say.Clip(say.Plain(p.Name), 15), s.User(p.UID))
	case Client:
		return fmt.Sprintf("%s %d (%s, %s)", name, p.PID, s.User(p.UID), say.Seconds(ageOf(s, p)))
	case Hook:
		return fmt.Sprintf("build hook %d", p.PID)
	case Remote:
		return fmt.Sprintf("server for another machine %d", p.PID)
	}
	return fmt.Sprintf("%s %d (%s)", name, p.PID, s.User(p.UID))
}

// describe names a process in a sentence.
func describe(s *scene, p *proc) string {
	if p == nil {
		return "a process that cannot be seen"
	}
	t := title(s, p)
	if p.role == Worker && p.pair != nil {
		if p.pairing() != Certain {
			t += ", probably"
		}
		t += " for " + title(s, p.pair)
	}
	return t
}

// ownerName names the client behind a worker, which is what people know.
func ownerName(s *scene, p *proc) string {
	if p != nil && p.role == Worker && p.pair != nil {
		if p.pairing() != Certain {
			return "probably " + title(s, p.pair)
		}
		return title(s, p.pair)
	}
	return describe(s, p)
}
