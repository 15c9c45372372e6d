"""A handler in Python: a process for each job, the payload on standard input. In worker.yaml:

mail.send:
  exec: [python3, docs/examples/python/handler.py]
"""

import json
import os
import sys

mail = json.load(sys.stdin)
if "to" not in mail:
    print('the payload has no address in "to"', file=sys.stderr)  # the end of this goes into the job's errors
    sys.exit(100)  # no retry can help: the job is discarded. 75 would be: not now, run it again later; that is no failure

# A worker may die after the mail was sent and before it could say so; the job then runs again. Hand its id on to whatever
# can tell that it has seen it before.
message_id = os.environ["SLOTQ_JOB_ID"]

print(json.dumps({"sent": mail["to"], "message_id": message_id, "attempt": int(os.environ["SLOTQ_ATTEMPT"])}))
# The exit status is 0: completed. What was printed is the job's output. An exception would end with 1: a failure.
