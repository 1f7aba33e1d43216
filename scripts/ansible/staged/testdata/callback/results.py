"""Writes what each task came to on each host, one JSON document a line, to the file that LIXFIX_RESULTS names."""

from __future__ import (absolute_import, division, print_function)
__metaclass__ = type

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = '''
name: results
type: notification
short_description: Writes the results of tasks for a test
description: Writes the results of tasks for a test.
'''


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'notification'
    CALLBACK_NAME = 'results'
    CALLBACK_NEEDS_ENABLED = True

    def tell(self, result, **how):
        doc = dict(host=result._host.get_name(), task=result.task_name, result=result._result, **how)
        with open(os.environ['LIXFIX_RESULTS'], 'a') as file:
            file.write(json.dumps(doc, default=str) + '\n')

    def v2_runner_on_ok(self, result):
        self.tell(result)

    def v2_runner_on_skipped(self, result):
        self.tell(result, skipped=True)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.tell(result, failed=True)

    def v2_runner_on_unreachable(self, result):
        self.tell(result, unreachable=True)
