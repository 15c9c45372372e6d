#!/bin/sh
# Fails twice, then works: what a job's backoff is for.
set -eu
if [ "$SLOTQ_ATTEMPT" -lt 3 ]; then
    echo "attempt $SLOTQ_ATTEMPT fails on purpose, the third one will not" >&2
    exit 1
fi
echo "attempt $SLOTQ_ATTEMPT worked"
