#!/bin/sh
# A worker script in the spirit of the first ones: it prints what it got, takes its time, and is done.
set -eu
payload=$(cat)
echo "job $SLOTQ_JOB_ID of queue $SLOTQ_QUEUE, slot $SLOTQ_SLOT, attempt $SLOTQ_ATTEMPT of $SLOTQ_MAX_ATTEMPTS"
echo "payload: $payload"
sleep 0.5
echo "done"
