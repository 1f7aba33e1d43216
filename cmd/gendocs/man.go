package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// pageName is the name of the page of a command: "lixfix-repair-sequoia".
func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// page writes the man page of a command, in the macros of man(7).
func page(cmd *cobra.Command, version, date string) []byte {
	var b bytes.Buffer
	cmd.InitDefaultHelpFlag()
	name := pageName(cmd)
	fmt.Fprintf(&b, ".TH %s 1 %q %q %q\n", strings.ToUpper(roff(name)), date, "lixfix "+version, "User Commands")
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(name), roff(cmd.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(cmd.UseLine()))

	text, codes, rest := cutCodes(cmd.Long)
	b.WriteString(".SH DESCRIPTION\n")
	paragraphs(&b, strings.TrimSpace(text)+"\n\n"+rest)
	flags(&b, "OPTIONS", cmd.NonInheritedFlags())
	flags(&b, "GLOBAL OPTIONS", cmd.InheritedFlags())
	if len(codes) > 0 {
		b.WriteString(".SH EXIT STATUS\n")
		for _, line := range codes {
			code, meaning, _ := strings.Cut(strings.TrimSpace(line), " ")
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", code, roff(strings.TrimSpace(meaning)))
		}
	}
	if cmd.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(cmd.Example))
	}
	b.WriteString(".SH SEE ALSO\n")
	var also []string
	if cmd.HasParent() {
		also = append(also, pageName(cmd.Parent()))
	}
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			also = append(also, pageName(sub))
		}
	}
	for i, n := range also {
		end := ","
		if i == len(also)-1 {
			end = ""
		}
		fmt.Fprintf(&b, ".BR %s (1)%s\n", roff(n), end)
	}
	return b.Bytes()
}

// cutCodes takes the list of exit codes out of a text; it has a section of its own.
func cutCodes(long string) (text string, codes []string, rest string) {
	text, list, ok := strings.Cut(long, "Exit codes:\n")
	if !ok {
		return long, nil, ""
	}
	lines := strings.Split(list, "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, "  ") {
			return text, codes, strings.Join(lines[i:], "\n")
		}
		codes = append(codes, line)
	}
	return text, codes, ""
}

// paragraphs writes text that has a blank line between paragraphs. Lines that are indented stay as they are.
func paragraphs(b *bytes.Buffer, text string) {
	for i, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		if strings.Contains("\n"+p, "\n ") {
			fmt.Fprintf(b, ".nf\n%s\n.fi\n", roff(p))
		} else {
			fmt.Fprintf(b, "%s\n", roff(p))
		}
	}
}

func flags(b *bytes.Buffer, heading string, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", heading)
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		fmt.Fprintf(b, ".TP\n.B %s\n", roff(strings.TrimSpace(name+" "+value)))
		b.WriteString(roff(usage))
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0s" {
			fmt.Fprintf(b, " (default %s)", roff(f.DefValue))
		}
		b.WriteString("\n")
	})
}

// roff escapes text: a line must not start with what is a request, and a minus sign is to stay one that can be copied.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\(rs`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
