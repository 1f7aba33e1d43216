# Copyright: the lixfix authors
# MIT License (see https://opensource.org/license/mit)
"""A plan of lixfix as Ansible shows changes: what is there before, and after."""

from __future__ import (absolute_import, division, print_function)
__metaclass__ = type

# Fields that do not say what a step is about.
ASIDE = {'from', 'to', 'before', 'after', 'on', 'why', 'generated_uid', 'beside', 'back', 'new', 'optional'}


def diff(plan):
    """The plan in the form of Ansible's --diff; None where there is nothing to do."""
    steps = (plan or {}).get('steps') or []
    if not steps:
        return None
    before, after = [], []
    for entry in steps:
        was, becomes = sides(entry.get('kind', ''), entry.get('step') or {})
        before.extend(was)
        after.extend(becomes)
    return {
        'before_header': 'now', 'after_header': 'after the repair',
        'before': ''.join(line + '\n' for line in before), 'after': ''.join(line + '\n' for line in after),
    }


def sides(kind, step):
    """The lines of a step before and after it. One that sets no value is there after it only."""
    about = ' '.join([kind] + [text(v) for k, v in step.items() if k not in ASIDE and not isinstance(v, (dict, list, bool))])
    for old, new in (('from', 'to'), ('before', 'after')):
        if new in step:
            return ['%s: %s' % (about, text(step.get(old)))], ['%s: %s' % (about, text(step[new]))]
    if 'on' in step:
        on, off = '%s: on' % about, '%s: off' % about
        return ([off], [on]) if step['on'] else ([on], [off])
    verb, dash, what = kind.partition('-')
    there, gone = '%s %s: there' % (what, about[len(kind) + 1:]), '%s %s: absent' % (what, about[len(kind) + 1:])
    if verb in ('create', 'make'):
        return [gone], [there]
    if verb in ('delete', 'remove'):
        return [there], [gone]
    return [], [about]


def text(value):
    """A value on one line. Of a file, lixfix tells the hash; its contents can be secret."""
    if value is None or value == '' or value == []:
        return 'absent'
    if isinstance(value, list):
        return ', '.join(text(v) for v in value)
    if isinstance(value, dict):
        return ' '.join('%s=%s' % (k, text(v)) for k, v in value.items())
    return str(value)
