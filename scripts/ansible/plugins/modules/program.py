#!/usr/bin/python
# Copyright: the lixfix authors
# MIT License (see https://opensource.org/license/mit)
"""This is documentation. The work is done on the controller, by the action plugin of this name."""

from __future__ import (absolute_import, division, print_function)
__metaclass__ = type

DOCUMENTATION = r'''
module: program
short_description: Installs lixfix on a host
version_added: 0.1.0
description:
  - Finds out which system the host runs, and installs the program for it. If it is already there, nothing is sent and C(become) is not used.
  - The controller finds or downloads the program, and sends it over Ansible's connection. The host needs C(/bin/sh) and one of
    C(sha256sum), C(shasum) and C(openssl). It needs no Python, and no network access of its own.
author:
  - The lixfix authors (@lixfix)
options:
  src:
    description:
      - A directory on the controller with the files of a release, C(lixfix-VERSION-SYSTEM.tar.gz), or with programs called C(lixfix-SYSTEM).
        SYSTEM is one of C(darwin-amd64), C(darwin-arm64), C(linux-amd64) and C(linux-arm64).
      - If the directory has a C(SHA256SUMS), the file that is used must match its entry there, if there is one.
    type: path
  url:
    description:
      - The URL of a release archive, with C({system}) in place of the systems above. The controller downloads each archive once for all hosts.
    type: str
  checksums:
    description:
      - The SHA-256 of the archive at I(url), by system. Take them from the C(SHA256SUMS) of a release, after you have checked its signature.
    type: dict
    default: {}
  cache:
    description:
      - The directory on the controller that keeps downloads.
    type: path
    default: ~/.cache/lixfix
  program:
    description:
      - Where to install lixfix on the host. As root, it has to be a place that nobody but root can change.
    type: path
    default: /usr/local/bin/lixfix
attributes:
  check_mode:
    description: Says whether the program would be sent, but does not send it.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
'''

EXAMPLES = r'''
- name: Install lixfix from files on the controller
  lixfix.lixfix.program:
    src: ~/lixfix-release
  become: true

- name: Install lixfix from a release on the web
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
  description: The system of the host, as in the names of release archives.
  type: str
  sample: darwin-arm64
  returned: success
sha256:
  description: The checksum of the program.
  type: str
  returned: success
uploaded:
  description: How many bytes of the program were sent; 0 if it was already there.
  type: int
  returned: success
'''
