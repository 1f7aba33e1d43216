package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/lixfix/lixfix/fixes/fix"
)

// fixPage is the name of the man page of a fix: "lixfix-sequoia".
func fixPage(f fix.Fix) string { return "lixfix-" + f.Name() }

// words says how a status is called.
var words = map[fix.Status]string{
	fix.OK: "ok", fix.AtRisk: "at risk", fix.Broken: "broken", fix.NotApplicable: "not applicable", fix.Unknown: "unknown",
}

// classes says what a class of remedies asks of people.
var classes = map[fix.Class]string{
	fix.Safe: "safe; `--yes` is enough", fix.Risky: "risky; you decide", fix.Advice: "advice; yours to do",
}

// statuses are those that findings of a kind can have: "broken or at risk".
func statuses(k *fix.Kind) string {
	all := []string{words[k.Status]}
	for _, s := range k.Also {
		all = append(all, words[s])
	}
	return strings.Join(all, " or ")
}

// markdown is the README of a fix, made from its table.
func markdown(f fix.Fix) []byte {
	var b bytes.Buffer
	d := f.Doc()
	fmt.Fprintf(&b, "<!-- Made by \"make readmes\" from the tables of the fix. Do not edit. -->\n\n# %s\n\n%s.\n\n", f.Name(), upper(d.Title))
	fmt.Fprintf(&b, "```console\n$ lixfix check %[1]s\n$ sudo lixfix repair %[1]s --dry-run\n$ sudo lixfix repair %[1]s\n```\n", f.Name())
	for _, s := range sections(d) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", s.Heading, s.Text)
	}
	if options := f.Options(); len(options) > 0 {
		b.WriteString("\n## Options\n\n| flag | variable | what it does |\n| --- | --- | --- |\n")
		for _, o := range options {
			if o.Usage != "" {
				fmt.Fprintf(&b, "| `--%s` | %s | %s |\n", o.Name, code(o.Env), cell(o.Usage))
			}
		}
	}
	b.WriteString("\n## Findings\n\n| finding | status | what it is |\n| --- | --- | --- |\n")
	for _, k := range f.Kinds() {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s |\n", k.ID, anchor(k), statuses(k), cell(k.Title))
	}
	for _, k := range f.Kinds() {
		fmt.Fprintf(&b, "\n### %s\n\n%s (%s). %s\n", k.Slug(), upper(k.Title), statuses(k), k.Means)
		if len(k.Messages) > 0 {
			b.WriteString("\nWhat you may see:\n\n")
			for _, m := range k.Messages {
				fmt.Fprintf(&b, "- %s\n", code(m))
			}
		}
		if len(k.Remedies) > 0 {
			b.WriteString("\nWhat to do:\n\n")
		}
		for _, r := range k.Remedies {
			b.WriteString("- ")
			if r.When != "" {
				fmt.Fprintf(&b, "When %s: ", r.When)
			}
			fmt.Fprintf(&b, "%s (%s)", r.Changes.General(), classes[r.Class])
			command := r.Command.General()
			if command == "" {
				command = k.Command(r)
			}
			if command != "" {
				fmt.Fprintf(&b, ", with %s", code(command))
			}
			if r.Undo != "" {
				fmt.Fprintf(&b, ". Undo: %s", r.Undo.General())
			}
			b.WriteString("\n")
		}
		sources(&b, k.Sources)
	}
	if len(d.Sources) > 0 {
		b.WriteString("\n## Sources\n")
		sources(&b, d.Sources)
	}
	return b.Bytes()
}

// sections are the parts of a page about a fix, before its findings.
func sections(d fix.Doc) []fix.Section {
	return append([]fix.Section{
		{Heading: "Cause", Text: d.Cause}, {Heading: "What the repair changes", Text: d.Changes}, {Heading: "Undo", Text: d.Undo},
	}, d.More...)
}

func sources(b *bytes.Buffer, all []string) {
	if len(all) > 0 {
		b.WriteString("\n")
	}
	for _, s := range all {
		if strings.HasPrefix(s, "https://") {
			s = "<" + s + ">"
		}
		fmt.Fprintf(b, "- %s\n", s)
	}
}

// anchor is where a heading of a Markdown page is linked to.
func anchor(k *fix.Kind) string { return k.Slug() }

// cell is text in a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// code is text in a code span, which may hold backquotes itself; "" stays empty.
func code(s string) string {
	switch {
	case s == "":
		return ""
	case strings.Contains(s, "`"):
		return "`` " + s + " ``"
	}
	return "`" + s + "`"
}

// named are programs that write their names with a small letter, also where a sentence begins.
var named = []string{"launchd", "lixfix", "macOS", "pasta", "sudo", "systemctl", "systemd", "useradd"}

// upper begins a sentence with a capital, but leaves names of programs, files and settings as they are.
func upper(s string) string {
	first, _, _ := strings.Cut(s, " ")
	if s == "" || strings.ContainsAny(first, ".-/") || slices.Contains(named, first) {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// manual is the man page of a fix, in section 7.
func manual(f fix.Fix, version, date string) []byte {
	var b bytes.Buffer
	d := f.Doc()
	name := fixPage(f)
	fmt.Fprintf(&b, ".TH %s 7 %q %q %q\n", strings.ToUpper(roff(name)), date, "lixfix "+version, "Known Issues")
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(name), roff(d.Title))
	for _, s := range sections(d) {
		fmt.Fprintf(&b, ".SH %s\n", strings.ToUpper(roff(s.Heading)))
		paragraphs(&b, s.Text)
	}
	b.WriteString(".SH FINDINGS\n")
	for _, k := range f.Kinds() {
		fmt.Fprintf(&b, ".SS %s\n%s (%s).\n", roff(k.ID), roff(upper(k.Title)), statuses(k))
		paragraphs(&b, k.Means)
		for _, m := range k.Messages {
			fmt.Fprintf(&b, ".PP\n.nf\n%s\n.fi\n", roff(m))
		}
		for _, r := range k.Remedies {
			heading := upper(string(r.Class))
			if r.When != "" {
				heading += ", when " + r.When
			}
			fmt.Fprintf(&b, ".TP\n.B %s\n%s.\n", roff(heading), roff(upper(r.Changes.General())))
			command := r.Command.General()
			if command == "" {
				command = k.Command(r)
			}
			if command != "" {
				fmt.Fprintf(&b, ".br\n%s\n", roff(command))
			}
			if r.Undo != "" {
				fmt.Fprintf(&b, ".br\nUndo: %s\n", roff(r.Undo.General()))
			}
		}
	}
	if len(d.Sources) > 0 {
		b.WriteString(".SH SOURCES\n")
		for _, s := range d.Sources {
			fmt.Fprintf(&b, "%s\n.br\n", roff(s))
		}
	}
	fmt.Fprintf(&b, ".SH SEE ALSO\n.BR lixfix (1),\n.BR lixfix\\-check (1),\n.BR lixfix\\-explain (1),\n.BR %s (1)\n", roff("lixfix-repair-"+f.Name()))
	return b.Bytes()
}
