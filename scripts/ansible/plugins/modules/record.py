#!/usr/bin/python
# Copyright: the lixfix authors
# MIT License (see https://opensource.org/license/mit)
"""This is documentation. The work is done on the controller, by the action plugin of this name."""

from __future__ import (absolute_import, division, print_function)
__metaclass__ = type

DOCUMENTATION = r'''
module: record
short_description: Fetches a record of a host to the controller
version_added: 0.1.0
description:
  - Runs C(lixfix record) on the host, which writes down what the fixes see, without names and secrets, and fetches the file. Nothing is left on
    the host.
  - On any machine, C(lixfix check --host FILE) then prints what it prints on that host.
  - The host needs C(/bin/sh) and the program, which the role C(lixfix.lixfix.lixfix) brings. It needs no Python.
author:
  - The lixfix authors (@lixfix)
options:
  dest:
    description:
      - A file on the controller, or a directory, which gets a file of the name of the host. Its name ends in C(/) if it is not there yet.
      - Only you can read the file. One that is there is replaced.
    type: path
    required: true
  fixes:
    description:
      - The names of fixes; without any, what all of them see is recorded.
    type: list
    elements: str
    default: []
  keep_names:
    description:
      - Keep the names of people and machines. Secrets are removed all the same.
    type: bool
    default: false
  program:
    description:
      - Where lixfix is on the host.
    type: path
    default: /usr/local/bin/lixfix
attributes:
  check_mode:
    description: Skips the task.
    support: none
  diff_mode:
    description: Shows nothing.
    support: none
notes:
  - Root sees more; without C(become), C(unseen) tells what was not seen.
  - The host is not changed, so this is never C(changed).
'''

EXAMPLES = r'''
- name: Fetch a record of each host
  lixfix.lixfix.record:
    dest: records/
  become: true
'''

RETURN = r'''
dest:
  description: The file on the controller.
  type: str
  returned: success
bytes:
  description: Its size.
  type: int
  returned: success
unseen:
  description: What could not be seen, for people.
  type: list
  elements: str
  returned: success
differs:
  description: Fixes that do not say the same of the record as of the host, for people. There should be none.
  type: list
  elements: str
  returned: success
names_kept:
  description: Whether names of people and machines are in it.
  type: bool
  returned: success
'''
