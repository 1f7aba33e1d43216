package cli

// automation is the help topic.
const automation = "automation"

// Automation is what scripts and other installers can rely on, as "lixfix help automation" and the README show it.
func Automation() string {
	return `lixfix in other people's scripts

Ask for exactly what you want, and go by the exit code:

  lixfix check --format json >report.json    looks, changes nothing
  lixfix repair sequoia --yes --wait 5m      repairs without a question
  lixfix repair sequoia --dry-run            1 if something would be done

Consent. Without --yes a repair asks on /dev/tty, never on standard input. If
there is no terminal, it changes nothing and exits with 6; it never hangs. --yes
agrees to safe remedies only, --accept ID to a risky one.

Root. Without root a repair prints the sudo line and exits with 6. lixfix never
runs sudo itself.

Streams. Results go to standard output, all else to standard error. Either may
be closed at any time: a repair goes on to its end. TERM, HOME, LANG and the
directory it is started in may be missing; the umask does not matter.

Formats. --format json prints one document, with a schema number (lixfix
schema). --format jsonl prints what happens, one object a line: found, planned,
step-begin, step-done (or step-already, step-tolerated, step-refused,
step-failed) and finally verdict, whose report is that document. Errors are
then JSON on standard error. outcome.changed says whether the command has
changed the host. New fields and events can appear; ignore what you do not
know. Text output is for people and may change.

Prometheus. "lixfix check --format prometheus" prints gauges: lixfix_fix_status
is 1 for the current status of a fix and 0 for the other four (ok, at-risk,
broken, unknown, not-applicable); lixfix_findings counts what was found;
lixfix_journal_status tells whether a repair was cut short. There are also
lixfix_check_timestamp_seconds, _duration_seconds and _exit_code, and
lixfix_build_info. No label names a person. With --output FILE, lixfix replaces
FILE atomically, but only if lixfix wrote it, and as root only in a directory
that nobody else can change; if that fails, the old file stays. The scheduled
check does the same after "lixfix schedule install --prometheus FILE".

Two at once. The second one exits with 7, or waits as long as --wait says.

Signals. SIGTERM, SIGHUP and SIGINT end a repair after the step in flight; a
second one cuts that step short. --limit TIME ends a repair after that time as
SIGTERM would. The journal stays unfinished, and every later repair refuses with
4 until "lixfix resume" or "lixfix undo" settles it. Send the signal once, to
lixfix or to its process group, but not to both.

State. Journals are in /var/db/lixfix (macOS) or /var/lib/lixfix (Linux). If
they cannot be written, lixfix changes nothing on the host.

` + exitHelp() + "\nIf several apply: 4, then 1, then 3; 4 also comes before 6.\n"
}
