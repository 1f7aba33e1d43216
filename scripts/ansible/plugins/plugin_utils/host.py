# Copyright: the lixfix authors
# MIT License (see https://opensource.org/license/mit)
"""lixfix on a host: how it is called, and what it answers.

Hosts need no Python, which Macs do not have: all that runs there is /bin/sh and lixfix. What lixfix says is read from
its JSON and its exit code, never from text for people.
"""

from __future__ import (absolute_import, division, print_function)
__metaclass__ = type

import json
import shlex

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.text.converters import to_text

SCHEMA = 1

# Exit codes of lixfix, as "lixfix help automation" has them.
HEALTHY, PROBLEMS, USAGE, UNKNOWN, WAITING, UNSAFE, CONSENT, BUSY = range(8)

# Exit codes of the scripts below, which lixfix has not.
ABSENT, UNTRUSTED, NO_SUM, WRONG_SUM = 90, 91, 92, 93

# What is told of several findings is the worst of them.
ORDER = ('not-applicable', 'ok', 'unknown', 'at-risk', 'broken')

# All scripts begin so. Root runs programs of the system only; the last directory is NixOS'.
BEGIN = r'''
set -u
PATH=/usr/bin:/bin:/usr/sbin:/sbin:/run/current-system/sw/bin
export PATH
unset CDPATH
# real NAME: the name without links in its directories.
real() {
  ( cd -P -- "$(dirname -- "$1")" 2>/dev/null && printf '%s/%s\n' "$(pwd -P | sed 's,/$,,')" "$(basename -- "$1")" )
}
# wary GUARD: whether only root may be able to change what is run. Root is it too where the controller does not know that
# it is: the user of a connection can stand in a configuration of ssh's.
wary() { [ "$1" = yes ] || [ "$(id -u)" = 0 ]; }
# guarded NAME: only root can change what the name leads to. Prints the part of it that others can change.
guarded() {
  part=$1
  while :; do
    # Its words are mode, links and owner, the last as a number.
    # shellcheck disable=SC2012,SC2046
    set -- $(ls -ldn -- "$part" 2>/dev/null | head -n 1)
    [ "$#" -gt 4 ] || { echo "$part"; return 1; }
    case $1 in
      # Where there is a list of access, the mode of the group says what it gives to others at most.
      [!-d]*|?????w*|????????w*) echo "$part"; return 1 ;;
    esac
    # On macOS it does not.
    # shellcheck disable=SC2010
    if [ "$(uname -s)" = Darwin ] && ls -lde -- "$part" 2>/dev/null | grep -q ' allow .*\(write\|add_\|append\|delete\|chown\)'; then
      echo "$part"
      return 1
    fi
    [ "$3" = 0 ] || { echo "$part"; return 1; }
    [ "$part" != / ] || return 0
    part=$(dirname -- "$part")
  done
}
# sum: the SHA-256 of what is on standard input.
sum() {
  if command -v sha256sum >/dev/null; then set -- sha256sum
  elif command -v shasum >/dev/null; then set -- shasum -a 256
  elif command -v openssl >/dev/null; then set -- openssl dgst -sha256 -r
  else return 1
  fi
  "$@" | cut -d ' ' -f 1
}
'''

# RUN GUARD PROGRAM ARGUMENT... runs lixfix.
RUN = BEGIN + r'''
guard=$1 program=$(real "$2") || exit 90
shift 2
[ -f "$program" ] && [ -x "$program" ] || exit 90
if wary "$guard"; then guarded "$program" || exit 91; fi
# Not exec: of a program that is killed, a shell tells how it ended.
"$program" "$@" </dev/null
exit $?
'''

# RECORD GUARD PROGRAM ARGUMENT... runs lixfix record, and prints the record after what lixfix says.
RECORD = BEGIN + r'''
guard=$1 program=$(real "$2") || exit 90
shift 2
[ -f "$program" ] && [ -x "$program" ] || exit 90
if wary "$guard"; then guarded "$program" || exit 91; fi
umask 077
dir=$(mktemp -d "/tmp/lixfix-record.XXXXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
"$program" record -o "$dir/record.tar.gz" --format json "$@" </dev/null || exit
if command -v base64 >/dev/null; then base64 <"$dir/record.tar.gz"; else openssl base64 <"$dir/record.tar.gz"; fi
'''

# LOOK PROGRAM says what system this is, and what program is there.
LOOK = BEGIN + r'''
uname -s && uname -m || exit 1
[ -x "$1" ] || exit 90
sum <"$1" || exit 92
'''

# PLACE GUARD PROGRAM SUM puts what is on standard input at its place. Nothing is there until all of it is.
PLACE = BEGIN + r'''
set -e
umask 022
want=$(dirname -- "$2")
there=$want
while [ ! -d "$there" ]; do there=$(dirname -- "$there"); done
rest=${want#"$there"}
at=$(cd -P -- "$there" && pwd -P)
# What is missing is made only where nobody else can lead it elsewhere.
if wary "$1"; then guarded "$at" || exit 91; fi
mkdir -p -- "${at%/}/${rest#/}"
dir=$(cd -P -- "${at%/}/${rest#/}" && pwd -P)
if wary "$1"; then guarded "$dir" || exit 91; fi
program=${dir%/}/$(basename -- "$2")
[ ! -d "$program" ] || { echo "$program"; exit 91; }
new=$(mktemp "$dir/.lixfix.XXXXXXXX")
trap 'rm -f "$new"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
cat >"$new"
is=$(sum <"$new") || exit 92
[ "$is" = "$3" ] || exit 93
chmod 755 "$new"
mv -f "$new" "$program"
'''


class Answer:
    """What lixfix said: its exit code, its last document, and the events before that."""

    def __init__(self, code, stdout, stderr):
        self.code = code
        self.stderr = stderr
        self.report = None
        self.problem = {}
        self.events = []
        for doc in _documents(stdout):
            if doc.get('event') == 'verdict':
                self.report = doc.get('report')
            elif 'event' in doc:
                self.events.append(doc)
            elif 'command' in doc:
                self.report = doc
        for doc in _documents(stderr):
            self.problem = doc.get('error') or self.problem

    @property
    def outcome(self):
        return (self.report or {}).get('outcome') or {}

    @property
    def changed(self):
        """Whether the host was changed. Where lixfix was killed, its last words tell: what has begun may be done."""
        if self.report is not None:
            return bool(self.outcome.get('changed'))
        begun = False
        for event in self.events:
            step = event.get('step') or {}
            if not step.get('acts'):
                continue
            if event['event'] == 'step-done':
                return True
            begun = event['event'] == 'step-begin'
        return begun

    @property
    def message(self):
        said = self.problem.get('message') or self.outcome.get('error') or (self.report or {}).get('summary')
        if not said and self.code > 128:
            said = 'lixfix was ended by signal %d' % (self.code - 128)
        if not said:
            said = 'lixfix ended with exit code %d' % self.code
        if self.problem.get('next'):
            said += ' (next: %s)' % self.problem['next']
        return said


def _documents(text):
    """The JSON documents among the lines of a text; a shell's own start files can print something before them."""
    for line in text.splitlines():
        if not line.startswith('{'):
            continue
        try:
            doc = json.loads(line)
        except ValueError:
            continue
        if isinstance(doc, dict) and 'schema' in doc:
            if doc['schema'] != SCHEMA:
                raise AnsibleActionFail(
                    'lixfix on this host prints JSON of schema %s, but this collection reads schema %d. Install lixfix and the '
                    'collection from the same release.' % (doc['schema'], SCHEMA))
            yield doc


class Host:
    """The host of an action."""

    def __init__(self, action, program=None):
        self.action = action
        self.program = program
        connection = action._connection
        self.becomes = connection.become is not None
        if not getattr(connection, 'has_pipelining', False):
            raise AnsibleActionFail(
                'lixfix.lixfix cannot use the connection plugin %s, which cannot pass input to a command; use one that can, such as ssh'
                % connection.transport)

    def script(self, text, args, data=None, become=True):
        """Runs a script, and returns its exit code, its output and its errors as texts."""
        # With something to read on standard input, Ansible gives the command no terminal: lixfix asks nothing there, and
        # a connection that is lost does not stop a repair in the middle.
        command = ' '.join(shlex.quote(word) for word in ['/bin/sh', '-c', text, 'sh'] + list(args))
        result = self.action._low_level_execute_command(
            command, sudoable=become, in_data=data if data is not None else b'\n', encoding_errors='replace')
        return result['rc'], to_text(result.get('stdout') or ''), to_text(result.get('stderr') or '')

    def guard(self):
        """Whether what runs there may be root, which is picky about the programs that it runs."""
        root = self.becomes or self.action._play_context.remote_user == 'root'
        return 'yes' if root else 'no'

    def lixfix(self, *args):
        """Runs lixfix, and returns its Answer; None where it is not there."""
        code, stdout, stderr = self.script(RUN, [self.guard(), self.program] + list(args))
        if code == ABSENT:
            return None
        if code == UNTRUSTED:
            raise AnsibleActionFail(untrusted(self.program, stdout))
        answer = Answer(code, stdout, stderr)
        if answer.report is None and not answer.problem and not answer.events:
            said = stderr.strip() or stdout.strip() or 'it said nothing'
            raise AnsibleActionFail('%s ended with exit code %d: %s' % (self.program, code, said))
        return answer


def untrusted(program, said):
    return (
        'root must not run %s, because users other than root can change %s. Let only root change it, or choose another '
        'place with lixfix_program.' % (program, said.strip() or 'its directory'))


def absent(program):
    return 'there is no %s on this host; the role lixfix.lixfix.lixfix installs it' % program


def worst(fixes):
    """The worst status of fixes."""
    known = [f['status'] for f in fixes if f.get('status') in ORDER]
    return max(known, key=ORDER.index) if known else 'unknown'


def facts(task_vars, report, fixes):
    """The fact lixfix: what is known of this host, together with what was known of other fixes."""
    old = (task_vars.get('ansible_facts') or {}).get('lixfix') or {}
    known = dict(old.get('fixes') or {})
    known.update((f['name'], f) for f in fixes)
    new = dict(fixes=known, status=worst(known.values()), unfinished=report.get('unfinished') or [],
               version=report.get('lixfix'), host=report.get('host'))
    new['installation'] = report.get('installation') or old.get('installation')
    return {'lixfix': new}
