# Copyright: the lixfix authors
# MIT License (see https://opensource.org/license/mit)
"""Runs on the controller, so that hosts need no Python. The options are in plugins/modules/program.py."""

from __future__ import (absolute_import, division, print_function)
__metaclass__ = type

import fcntl
import fnmatch
import gzip
import hashlib
import io
import os
import tarfile

from ansible.errors import AnsibleActionFail
from ansible.module_utils.urls import open_url
from ansible.plugins.action import ActionBase
from ansible_collections.lixfix.lixfix.plugins.plugin_utils import host as lixfix

# What uname says, and what releases call it.
SYSTEMS = {'Darwin': 'darwin', 'Linux': 'linux'}
MACHINES = {'x86_64': 'amd64', 'amd64': 'amd64', 'arm64': 'arm64', 'aarch64': 'arm64'}

LARGEST = 256 << 20  # bytes of a program or an archive; a real one has a tenth of that

# As the documentation in plugins/modules has it.
SPEC = {
    'src': {'type': 'path'},
    'url': {'type': 'str'},
    'checksums': {'type': 'dict', 'default': {}},
    'cache': {'type': 'path', 'default': '~/.cache/lixfix'},
    'program': {'type': 'path', 'default': '/usr/local/bin/lixfix'},
}


class ActionModule(ActionBase):
    """Brings the program to one host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super(ActionModule, self).run(tmp, task_vars)
        given = self.validate_argument_spec(SPEC, mutually_exclusive=[('src', 'url')], required_one_of=[('src', 'url')])[1]
        host = lixfix.Host(self)
        program = given['program']
        # Who is to be root is not asked for to look.
        code, stdout, stderr = host.script(lixfix.LOOK, [program], become=False)
        lines = stdout.split()
        if code not in (0, lixfix.ABSENT, lixfix.NO_SUM) or len(lines) < 2:
            raise AnsibleActionFail('cannot tell which system this host runs: %s' % (stderr.strip() or 'exit code %d' % code))
        if code == lixfix.NO_SUM:
            raise AnsibleActionFail('cannot check the program at %s: this host has neither sha256sum nor shasum nor openssl. Install one of them.' % program)
        if lines[0] not in SYSTEMS or lines[1] not in MACHINES:
            raise AnsibleActionFail('there is no lixfix for %s on %s' % (lines[0], lines[1]))
        system = '%s-%s' % (SYSTEMS[lines[0]], MACHINES[lines[1]])
        data = self.wanted(given, system)
        digest = hashlib.sha256(data).hexdigest()
        result.update(changed=False, program=program, system=system, sha256=digest, uploaded=0)
        if code == 0 and lines[2:] == [digest]:
            return result
        result['changed'] = True
        if self._task.check_mode:
            return result
        code, stdout, stderr = host.script(lixfix.PLACE, [host.guard(), program, digest], data=data)
        if code == lixfix.UNTRUSTED:
            raise AnsibleActionFail(lixfix.untrusted(program, stdout))
        if code == lixfix.WRONG_SUM:
            raise AnsibleActionFail('%s arrived damaged, and was not installed; run the task again' % program)
        if code != 0:
            raise AnsibleActionFail('cannot write %s: %s' % (program, stderr.strip() or stdout.strip() or 'exit code %d' % code))
        result['uploaded'] = len(data)
        return result

    def wanted(self, given, system):
        """The program for a system."""
        if given['url']:
            want = given['checksums'].get(system)
            if not want:
                raise AnsibleActionFail('checksums has no entry for %s; add the SHA-256 of its archive' % system)
            name = given['url'].replace('{system}', system)
            return unpacked(downloaded(name, str(want).lower(), given['cache']), name)
        return unpacked(*found(given['src'], system))


def found(src, system):
    """The file of a directory that has the program for a system, and its name."""
    try:
        names = os.listdir(src)
    except OSError as error:
        raise AnsibleActionFail('src: %s' % error)
    fit = [n for n in names if n == 'lixfix-' + system] or fnmatch.filter(names, 'lixfix-*-%s.tar.gz' % system)
    if not fit:
        raise AnsibleActionFail('src: %s has neither lixfix-%s nor lixfix-VERSION-%s.tar.gz' % (src, system, system))
    if len(fit) > 1:
        raise AnsibleActionFail('src: %s has several programs for %s: %s. Keep only one of them.' % (src, system, ', '.join(sorted(fit))))
    name = os.path.join(src, fit[0])
    data = small(open(name, 'rb'), name)
    sums = os.path.join(src, 'SHA256SUMS')
    if os.path.exists(sums):
        with open(sums, encoding='utf-8') as lines:
            listed = dict(reversed(line.split(None, 1)) for line in lines.read().splitlines() if ' ' in line)
        want = dict((k.lstrip('*').strip(), v) for k, v in listed.items()).get(fit[0])
        if want and want != hashlib.sha256(data).hexdigest():
            raise AnsibleActionFail('src: %s does not match SHA256SUMS in the same directory' % name)
    return data, name


def downloaded(url, want, cache):
    """What is at a URL, of which the SHA-256 is known. It is downloaded once for all hosts."""
    os.makedirs(cache, mode=0o700, exist_ok=True)
    kept = os.path.join(cache, want)
    with open(kept + '.lock', 'w', encoding='utf-8') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(kept):
            data = small(open(kept, 'rb'), kept)
            if hashlib.sha256(data).hexdigest() == want:
                return data
        try:
            data = small(open_url(url, timeout=60, http_agent='lixfix.lixfix'), url)
        except Exception as error:  # it raises what the libraries below it raise
            raise AnsibleActionFail('cannot download %s: %s' % (url, error))
        is_ = hashlib.sha256(data).hexdigest()
        if is_ != want:
            raise AnsibleActionFail('%s has the checksum %s instead of %s; it was not used' % (url, is_, want))
        draft = kept + '.draft'
        with open(draft, 'wb') as file:
            file.write(data)
        os.replace(draft, kept)
        return data


def small(file, name):
    with file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise AnsibleActionFail('%s has more than %d bytes, so it cannot be lixfix' % (name, LARGEST))
    return data


def unpacked(data, name):
    """The program of a release, or a program as it is."""
    if not data.startswith(b'\x1f\x8b'):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            plain = small(packed, name)
        with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
            for member in archive:
                if member.isfile() and os.path.basename(member.name) == 'lixfix':
                    return archive.extractfile(member).read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise AnsibleActionFail('cannot unpack %s: %s' % (name, error))
    raise AnsibleActionFail('there is no lixfix in %s' % name)
