package diagnose

import (
	"fmt"

	"github.com/lixfix/lixfix/fixes/fix"
	"github.com/lixfix/lixfix/fixes/stuck/say"
)

// title names a process in the tree.
func title(s *scene, p *proc) string {
	if p == nil {
		return unseenProcess
	}
	name := say.Short(say.Plain(p.Program()), 24)
	if p.role == Helper {
		name = say.Plain(p.Name) // of a script, and not of its shell
	}
	switch p.role {
	case Worker:
		return workerNamed.Fill(fix.With{"pid": p.PID})
	case Listener:
		return daemonNamed.Fill(fix.With{"pid": p.PID})
	case Builder:
		return builderNamed.Fill(fix.With{"pid": p.PID, "name": say.Clip(say.Plain(p.Name), 15), "user": s.User(p.UID)})
	case Client:
		return fmt.Sprintf("%s %d (%s, %s)", name, p.PID, s.User(p.UID), say.Seconds(ageOf(s, p)))
	case Hook:
		return hookNamed.Fill(fix.With{"pid": p.PID})
	case Remote:
		return serverNamed.Fill(fix.With{"pid": p.PID})
	}
	return fmt.Sprintf("%s %d (%s)", name, p.PID, s.User(p.UID))
}

// describe names a process in a sentence.
func describe(s *scene, p *proc) string {
	if p == nil {
		return unseenProcess
	}
	t := title(s, p)
	if p.role == Worker && p.pair != nil {
		if p.pairing() != Certain {
			t += andProbably
		}
		t += forBuild.Fill(fix.With{"drv": title(s, p.pair)})
	}
	return t
}

// ownerName names the client behind a worker, which is what people know.
func ownerName(s *scene, p *proc) string {
	if p != nil && p.role == Worker && p.pair != nil {
		if p.pairing() != Certain {
			return probablyOf.Fill(fix.With{"owner": title(s, p.pair)})
		}
		return title(s, p.pair)
	}
	return describe(s, p)
}
