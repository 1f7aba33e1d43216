# Copyright: the lixfix authors
# MIT License (see https://opensource.org/license/mit)
"""Runs on the controller, so that hosts need no Python. The options are in plugins/modules/repair.py."""

from __future__ import (absolute_import, division, print_function)
__metaclass__ = type

import re

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.lixfix.lixfix.plugins.plugin_utils import host as lixfix
from ansible_collections.lixfix.lixfix.plugins.plugin_utils import plans

# Flags of lixfix that are no option of a fix.
RESERVED = {
    'accept', 'color', 'debug', 'dry-run', 'format', 'help', 'host', 'limit', 'no-confirm', 'quiet', 'rollback-on-failure',
    'strict', 'verbose', 'wait', 'watch', 'yes',
}

# As the documentation in plugins/modules has it.
SPEC = {
    'fix': {'type': 'str'},
    'state': {'type': 'str', 'choices': ['checked', 'repaired'], 'default': 'checked'},
    'options': {'type': 'dict', 'default': {}},
    'accept': {'type': 'list', 'elements': 'str', 'default': []},
    'wait': {'type': 'str'},
    'limit': {'type': 'str'},
    'on_unfinished': {'type': 'str', 'choices': ['resume', 'undo', 'fail'], 'default': 'fail'},
    'program': {'type': 'path', 'default': '/usr/local/bin/lixfix'},
}


class ActionModule(ActionBase):
    """Checks or repairs one host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super(ActionModule, self).run(tmp, task_vars)
        given = self.validate_argument_spec(SPEC, required_if=[('state', 'repaired', ['fix'])])[1]
        self.given = given
        self.host = lixfix.Host(self, given['program'])
        self.dry = self._task.check_mode
        self.task_vars = task_vars or {}
        if given['state'] == 'checked':
            return self.check(result)
        return self.repair(result)

    def options(self):
        """The options of the fix as flags."""
        flags = []
        for name, value in sorted(self.given['options'].items()):
            name = name.replace('_', '-')
            if not re.match('^[a-z][a-z0-9-]*$', name) or name in RESERVED:
                raise AnsibleActionFail('options: %s is not an option of a fix; "lixfix repair %s --help" lists them' % (
                    name, self.given['fix'] or 'FIX'))
            if isinstance(value, bool):
                value = str(value).lower()
            flags.append('--%s=%s' % (name, value))
        return flags

    def about(self, result, answer, fixes):
        """Puts what lixfix said into the result."""
        result['exit'] = answer.code
        result['report'] = answer.report
        if answer.report is None:
            return
        result['summary'] = answer.report['summary']
        result['unfinished'] = answer.report.get('unfinished') or []
        if fixes:
            result['status'] = lixfix.worst(fixes)
            result['fixes'] = dict((f['name'], f) for f in fixes)
            result['ansible_facts'] = lixfix.facts(self.task_vars, answer.report, fixes)

    def fail(self, result, message):
        result['failed'], result['msg'] = True, message
        return result

    def missing(self, result):
        if self.dry:
            result['skipped'] = True
            result['msg'] = 'not checked: ' + lixfix.absent(self.host.program)
            return result
        return self.fail(result, lixfix.absent(self.host.program))

    def check(self, result):
        """Looks. Problems are no failure of the task: the result tells them."""
        for name in ('accept', 'limit', 'wait'):
            if self.given[name]:
                raise AnsibleActionFail('%s is only for state: repaired' % name)
        if self.given['options'] and not self.given['fix']:
            raise AnsibleActionFail('options belong to a fix; name it with fix')
        fix = [self.given['fix']] if self.given['fix'] else []
        answer = self.host.lixfix('check', *(fix + self.options() + ['--format', 'json']))
        if answer is None:
            return self.missing(result)
        result['changed'] = False
        report = answer.report or {}
        self.about(result, answer, report.get('fixes') or [])
        if answer.code not in (lixfix.HEALTHY, lixfix.PROBLEMS, lixfix.UNKNOWN, lixfix.WAITING) or 'fixes' not in report:
            return self.fail(result, answer.message)
        return result

    def repair(self, result):
        """Repairs, or says what a repair would do."""
        result['changed'] = False
        result['settled'] = []
        answer = self.attempt(result)
        if answer is None:
            return self.missing(result)
        waiting = (answer.report or {}).get('waiting') or []
        if answer.code == lixfix.WAITING and answer.outcome.get('result') == 'not-started' and waiting:
            if self.given['on_unfinished'] == 'fail' or any(w.get('trouble') for w in waiting):
                return self.end(result, answer)
            # Half a repair is never mixed with another one: first it is settled, then the host is looked at anew.
            settled = self.settle(result)
            if self.dry or settled.code not in (lixfix.HEALTHY, lixfix.PROBLEMS):
                return self.end(result, settled)
            result['settled'] = [w['id'] for w in waiting]
            answer = self.attempt(result)
        return self.end(result, answer)

    def how(self):
        """The flags that say how something is done."""
        if self.dry:
            return ['--dry-run', '--format', 'jsonl']
        flags = ['--yes', '--format', 'jsonl']
        for name in ('wait', 'limit'):
            if self.given[name]:
                flags.append('--%s=%s' % (name, self.given[name]))
        return flags

    def attempt(self, result):
        flags = self.options() + ['--accept=' + one for one in self.given['accept']]
        return self.noted(result, self.host.lixfix('repair', self.given['fix'], *(flags + self.how())))

    def settle(self, result):
        return self.noted(result, self.host.lixfix(self.given['on_unfinished'], *self.how()))

    def noted(self, result, answer):
        if answer is None:
            return None
        if self.dry:
            changed = answer.outcome.get('result') == 'dry-run'
        else:
            changed = answer.changed
        result['changed'] = result['changed'] or changed
        # lixfix plans before it does anything, also where it is killed afterwards.
        planned = [e['plan'] for e in answer.events if e['event'] == 'planned']
        shown = plans.diff((answer.report or {}).get('plan') or (planned[-1] if planned else None))
        if shown and changed:
            result.setdefault('diff', []).append(shown)
        return answer

    def end(self, result, answer):
        report = answer.report or {}
        self.about(result, answer, report.get('after') or report.get('fixes') or [])
        if self.dry and answer.outcome.get('result') == 'dry-run':
            return result
        if answer.code != lixfix.HEALTHY:
            return self.fail(result, answer.message)
        return result
