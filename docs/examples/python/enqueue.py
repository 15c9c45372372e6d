"""Adds a job from Python 3, with the standard library alone. From a shell:

python3 docs/examples/python/enqueue.py mail.send '{"to": "ada@example.org"}'
"""

import http.client
import json
import os
import random
import secrets
import sys
import time
import urllib.error
import urllib.request
import uuid


def enqueue(kind, payload, **options):
    """Returns the job's id as soon as the job is stored; options are further fields, such as queue="mail"."""
    # The id is made here, so that the job may be sent again after a lost answer: it makes no second one.
    job = {"id": new_id(), "kind": kind, "payload": payload, **options}
    request = urllib.request.Request(
        os.environ.get("SLOTQ_URL", "http://127.0.0.1:8080") + "/v1/jobs",
        json.dumps(job).encode(),
        {"Content-Type": "application/json"},
    )
    if token := os.environ.get("SLOTQ_TOKEN"):
        request.add_header("Authorization", "Bearer " + token)
    for attempt in range(10):
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)["id"]
        except urllib.error.HTTPError as error:
            trouble = RuntimeError(f"slotq: status {error.code} {error.read().decode(errors='replace')}")
            if error.code < 500 and error.code not in (408, 429):
                raise trouble from None
        except (OSError, http.client.HTTPException) as error:
            trouble = error
        time.sleep(random.uniform(0.5, 1) * min(2, 0.05 * 2**attempt))
    raise trouble


def new_id():
    """A UUID of version 7, which begins with the time: lists of jobs are in the order of ids."""
    milliseconds = time.time_ns() // 1_000_000
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | secrets.randbits(76) & ~(3 << 62) | 2 << 62))


if __name__ == "__main__":
    print(enqueue(sys.argv[1], json.loads(sys.argv[2])))
