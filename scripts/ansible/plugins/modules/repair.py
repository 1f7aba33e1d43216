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
  - Runs lixfix on the host, and reads its JSON and its exit code.
  - The host needs C(/bin/sh) and lixfix, which the role C(lixfix.lixfix.lixfix) installs. It needs no Python.
author:
  - The lixfix authors (@lixfix)
options:
  fix:
    description:
      - The name of a fix, as C(lixfix list) prints it. Required for a repair; a check without it runs all fixes.
    type: str
  state:
    description:
      - C(checked) changes nothing. Problems do not make the task fail; they are in its result. It needs no root, but sees more as root.
      - C(repaired) repairs the host. The task fails if problems are left, or if lixfix could not tell. It needs C(become).
    type: str
    choices: [checked, repaired]
    default: checked
  options:
    description:
      - The options of the fix, as C(lixfix repair FIX --help) lists them, without the leading dashes.
    type: dict
    default: {}
  accept:
    description:
      - The IDs of findings to repair even though the remedy is risky.
    type: list
    elements: str
    default: []
  wait:
    description:
      - How long to wait for another lixfix on the same host to end, such as C(90s) or C(5m).
    type: str
  limit:
    description:
      - Stop after this time, such as C(15m). lixfix finishes the current step, and leaves the rest for the next run.
      - Use this rather than a task's C(timeout), which lixfix does not notice.
    type: str
  on_unfinished:
    description:
      - What to do about an earlier repair that was cut short on this host, for example by a power cut.
      - C(resume) finishes it and C(undo) takes it back; then the repair of this task begins.
      - C(fail) changes nothing, and the task fails.
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
    description: Plans a repair, and changes nothing. This needs no root, except for an unfinished repair.
    support: full
  diff_mode:
    description: Shows the plan, as the host before and after the repair.
    support: full
notes:
  - Set C(gather_facts) to C(false) for hosts without Python, such as Macs.
  - A repair runs to its end even if the connection is lost.
seealso:
  - name: lixfix in scripts
    description: What programs that run lixfix can rely on.
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
    - Whether the host was changed, according to lixfix. Changes that were taken back count; journals do not.
    - If lixfix was killed, a step that had begun counts, because it may have been done.
  type: bool
  returned: always
exit:
  description: The exit code of lixfix; of the last one, if there were several.
  type: int
  returned: if lixfix is installed
status:
  description: The worst status that was found; after a repair, the worst that is left.
  type: str
  sample: broken
  returned: if something was checked
summary:
  description: The verdict in a sentence.
  type: str
  returned: if lixfix was not killed
fixes:
  description: What each fix found, by its name, as C(lixfix schema) describes it.
  type: dict
  returned: if something was checked
unfinished:
  description: The IDs of repairs that were cut short, and have to be finished or taken back.
  type: list
  elements: str
  returned: if lixfix was not killed
settled:
  description: The IDs of such repairs that this task finished or took back.
  type: list
  elements: str
  returned: with I(state=repaired)
report:
  description: The whole document that lixfix printed.
  type: dict
  returned: if lixfix was not killed
ansible_facts:
  description: Facts about the host.
  returned: if something was checked
  type: dict
  contains:
    lixfix:
      description:
        - What is known about this host, from every fix that has run. Its keys are C(status), C(fixes), C(unfinished), C(version), C(host)
          and C(installation).
      type: dict
'''
