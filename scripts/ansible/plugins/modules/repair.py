#!/usr/bin/python
# Copyright: the lixfix authors
# MIT License (see https://opensource.org/license/mit)
"""This is documentation. The work is done on the controller, by the action plugin of this name."""

from __future__ import (absolute_import, division, print_function)
__metaclass__ = type

DOCUMENTATION = r'''
module: repair
short_description: Checks or repairs the Lix or Nix installation of a host
version_added: 0.1.0
description:
  - Calls lixfix on the host, and reads its JSON and its exit code.
  - The host needs C(/bin/sh) and the program, which the role C(lixfix.lixfix.lixfix) brings. It needs no Python.
author:
  - The lixfix authors (@lixfix)
options:
  fix:
    description:
      - The name of a fix, as C(lixfix list) has it. Needed to repair; without it, all fixes look.
    type: str
  state:
    description:
      - With C(checked), nothing is changed, and problems are no failure of the task, they are in what it returns.
        This needs no root; as root it sees more.
      - With C(repaired), the host is repaired, and the task fails where problems are left or could not be looked at.
        This needs C(become).
    type: str
    choices: [checked, repaired]
    default: checked
  options:
    description:
      - The options of the fix, as C(lixfix repair FIX --help) lists them, without the dashes before them.
    type: dict
    default: {}
  accept:
    description:
      - The IDs of findings whose remedy is risky, and which may be repaired all the same.
    type: list
    elements: str
    default: []
  wait:
    description:
      - How long to wait for another lixfix that is at work on the host, such as C(90s) or C(5m).
    type: str
  limit:
    description:
      - After how long to stop, such as C(15m). The step in flight is finished, and the rest waits for the next run.
      - Prefer this to the keyword C(timeout) of a task, which lixfix does not notice.
    type: str
  on_unfinished:
    description:
      - What to do about a repair that was cut short on this host, by a power cut for example.
      - C(resume) finishes it, C(undo) takes it back. Then the repair of this task is made.
      - With C(fail), nothing is done.
    type: str
    choices: [resume, undo, fail]
    default: fail
  program:
    description:
      - Where lixfix is on the host.
    type: path
    default: /usr/local/bin/lixfix
attributes:
  check_mode:
    description: Shows the plan of a repair, and changes nothing. This needs no root, except for an unfinished repair.
    support: full
  diff_mode:
    description: Shows the plan, as what is there before each step and after it.
    support: full
notes:
  - Set C(gather_facts) to C(false) for hosts without Python, such as Macs.
  - If the connection is lost, a repair goes on to its end.
seealso:
  - name: lixfix in scripts
    description: What lixfix promises to programs that call it.
    link: https://github.com/lixfix/lixfix#in-scripts
'''

EXAMPLES = r'''
- name: Look for all known problems
  lixfix.lixfix.repair:
  register: look

- name: Repair the build users of a Mac
  lixfix.lixfix.repair:
    fix: sequoia
    state: repaired
    wait: 5m
    on_unfinished: resume
  become: true

- name: Move the build users before an upgrade to macOS 26
  lixfix.lixfix.repair:
    fix: sequoia
    state: repaired
    options:
      move-existing-users: true
  become: true
'''

RETURN = r'''
changed:
  description:
    - Whether the host was changed, as lixfix itself says it. What was taken back again counts; journals do not.
    - If lixfix was killed, a step that has begun counts, because it may have been done.
  type: bool
  returned: always
exit:
  description: The exit code of the last lixfix that was run.
  type: int
  returned: if lixfix was there
status:
  description: The worst status of what was found, after a repair.
  type: str
  sample: broken
  returned: if something was looked at
summary:
  description: The verdict in a sentence, for people.
  type: str
  returned: if lixfix ended by itself
fixes:
  description: What each fix found, by its name, as C(lixfix schema) describes it.
  type: dict
  returned: if something was looked at
unfinished:
  description: The IDs of repairs that were cut short and wait.
  type: list
  elements: str
  returned: if lixfix ended by itself
settled:
  description: The IDs of such repairs that this task has finished or taken back.
  type: list
  elements: str
  returned: with I(state=repaired)
report:
  description: The whole document that lixfix printed.
  type: dict
  returned: if lixfix ended by itself
ansible_facts:
  description: Facts about the host.
  returned: if something was looked at
  type: dict
  contains:
    lixfix:
      description:
        - What is known of this host, of all fixes that have looked. Its keys are C(status), C(fixes), C(unfinished), C(version), C(host) and
          C(installation).
      type: dict
'''
