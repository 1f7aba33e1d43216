#!/usr/bin/python
# Copyright: the lixfix authors
# MIT License (see https://opensource.org/license/mit)
"""This is documentation. The work is done on the controller, by the action plugin of this name."""

from __future__ import (absolute_import, division, print_function)
__metaclass__ = type

DOCUMENTATION = r'''
module: program
short_description: Brings the program lixfix to a host
version_added: 0.1.0
description:
  - Finds out what system the host is, and puts the program for it at its place. If it is there already, nothing is sent, and C(become) is not used.
  - The controller finds or downloads the program, and sends it over the connection that it has. The host needs C(/bin/sh) and one of
    C(sha256sum), C(shasum) and C(openssl). It needs no Python, and no network beside that connection.
author:
  - The lixfix authors (@lixfix)
options:
  src:
    description:
      - A directory on the controller with the files of a release, C(lixfix-VERSION-SYSTEM.tar.gz), or with programs called C(lixfix-SYSTEM).
        SYSTEM is one of C(darwin-amd64), C(darwin-arm64), C(linux-amd64) and C(linux-arm64).
      - If there is a C(SHA256SUMS), what it lists has to be as it says.
    type: path
  url:
    description:
      - Where the archive of a release is; C({system}) in it stands for one of the systems above. The controller downloads it, once for all hosts.
    type: str
  checksums:
    description:
      - The SHA-256 of what is at I(url), by system. They are in the C(SHA256SUMS) of a release, whose signature C(install.sh) checks.
    type: dict
    default: {}
  cache:
    description:
      - The directory on the controller that keeps what was downloaded.
    type: path
    default: ~/.cache/lixfix
  program:
    description:
      - Where lixfix is to be on the host. Root runs it only from where nobody else can replace it.
    type: path
    default: /usr/local/bin/lixfix
attributes:
  check_mode:
    description: Says whether the program would be sent, and sends nothing.
    support: full
  diff_mode:
    description: Shows nothing.
    support: none
'''

EXAMPLES = r'''
- name: Bring lixfix from a directory on the controller
  lixfix.lixfix.program:
    src: ~/lixfix-release
  become: true

- name: Bring lixfix from a release
  lixfix.lixfix.program:
    url: https://github.com/lixfix/lixfix/releases/download/v0.1.0/lixfix-0.1.0-{system}.tar.gz
    checksums:
      darwin-arm64: 0000000000000000000000000000000000000000000000000000000000000000
      linux-amd64: 0000000000000000000000000000000000000000000000000000000000000000
  become: true
'''

RETURN = r'''
program:
  description: Where the program is.
  type: str
  returned: success
system:
  description: The system of the host, as releases call it.
  type: str
  sample: darwin-arm64
  returned: success
sha256:
  description: The checksum of the program.
  type: str
  returned: success
uploaded:
  description: How many bytes of the program were sent; 0 if it was there.
  type: int
  returned: success
'''
