# Copyright: the lixfix authors
# MIT License (see https://opensource.org/license/mit)
"""Runs on the controller, so that hosts need no Python. The options are in plugins/modules/record.py."""

from __future__ import (absolute_import, division, print_function)
__metaclass__ = type

import base64
import binascii
import os
import tempfile

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.lixfix.lixfix.plugins.plugin_utils import host as lixfix

# As the documentation in plugins/modules has it.
SPEC = {
    'dest': {'type': 'path', 'required': True},
    'fixes': {'type': 'list', 'elements': 'str', 'default': []},
    'keep_names': {'type': 'bool', 'default': False},
    'program': {'type': 'path', 'default': '/usr/local/bin/lixfix'},
}


class ActionModule(ActionBase):
    """Fetches a record of one host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super(ActionModule, self).run(tmp, task_vars)
        given = self.validate_argument_spec(SPEC)[1]
        result['changed'] = False
        if self._task.check_mode:
            result['skipped'] = True
            result['msg'] = 'nothing is recorded in check mode'
            return result
        host = lixfix.Host(self, given['program'])
        args = (['--keep-names'] if given['keep_names'] else []) + ['--'] + given['fixes']
        code, stdout, stderr = host.script(lixfix.RECORD, [host.guard(), given['program']] + args)
        if code == lixfix.ABSENT:
            raise AnsibleActionFail(lixfix.absent(given['program']))
        if code == lixfix.UNTRUSTED:
            raise AnsibleActionFail(lixfix.untrusted(given['program'], stdout))
        answer = lixfix.Answer(code, stdout, stderr)
        about = (answer.report or {}).get('record')
        if code != lixfix.HEALTHY or not about:
            raise AnsibleActionFail(answer.message if answer.problem or answer.report else stderr.strip() or answer.message)
        # The report is one line, and the record follows it.
        lines = stdout.splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith('{')) + 1
        try:
            data = base64.b64decode(''.join(lines[start:]), validate=True)
        except (binascii.Error, ValueError) as error:
            raise AnsibleActionFail('the record arrived damaged: %s; run the task again' % error)
        if len(data) != about['bytes']:
            raise AnsibleActionFail('the record arrived damaged: %d of %d bytes; run the task again' % (len(data), about['bytes']))
        result['dest'] = keep(given['dest'], (task_vars or {}).get('inventory_hostname', 'host'), data)
        result['bytes'] = len(data)
        result['unseen'] = about.get('unseen') or []
        result['differs'] = about.get('differs') or []
        result['names_kept'] = about['names_kept']
        return result


def keep(dest, name, data):
    """Writes the record where only the user can read it, all of it or nothing. A directory gets a file of the host."""
    if dest.endswith(os.sep) or os.path.isdir(dest):
        dest = os.path.join(dest, name.replace(os.sep, '_') + '.tar.gz')
    folder = os.path.dirname(os.path.abspath(dest))
    os.makedirs(folder, mode=0o700, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=folder, prefix='.lixfix-record-')
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(data)
        os.replace(draft, dest)
    except Exception:
        os.unlink(draft)
        raise
    return dest
