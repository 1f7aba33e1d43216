#!/usr/bin/python
# Copyright: the lixfix authors
# MIT License (see https://opensource.org/license/mit)
"""This is documentation. The work is done on the controller, by the action plugin of this name."""

from __future__ import (absolute_import, division, print_function)
__metaclass__ = type

DOCUMENTATION = r'''
module: record
short_description: Records what lixfix sees on a host
version_added: 0.1.0
description:
  - Runs C(lixfix record) on the host, and fetches the file to the controller. It has what the fixes see, without names and secrets. Nothing
    stays on the host.
  - On any machine, C(lixfix check --host FILE) then prints the same as C(lixfix check) on that host.
  - The host needs C(/bin/sh) and lixfix, which the role C(lixfix.lixfix.lixfix) installs. It needs no Python.
author:
  - The lixfix authors (@lixfix)
options:
  dest:
    description:
      - A file on the controller, or a directory, in which the file is called after the host. End the name of a new directory with C(/).
      - Only you can read the file. An existing file is replaced.
    type: path
    required: true
  fixes:
    description:
      - The fixes to record; all of them if none is named.
    type: list
    elements: str
    default: []
  keep_names:
    description:
      - Keep the names of people and machines. Secrets are still removed.
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
    description: Shows no differences.
    support: none
notes:
  - Root sees more. Without C(become), C(unseen) lists what was not seen.
  - The task never changes the host, so it is never C(changed).
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
  description: What could not be seen, in words.
  type: list
  elements: str
  returned: success
differs:
  description: Fixes that find something else in the record than on the host, in words. There should be none.
  type: list
  elements: str
  returned: success
names_kept:
  description: Whether the file has the names of people and machines.
  type: bool
  returned: success
'''
