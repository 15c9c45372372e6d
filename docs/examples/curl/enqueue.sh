#!/bin/sh
# Adds a job with curl 7.82 or newer and prints the api's answer:
#
#   docs/examples/curl/enqueue.sh mail.send '{"to": "ada@example.org"}'
#
# With a key of its own the request may be sent again after a lost answer: it makes no second job. curl does so when the
# connection fails and after 408, 429 and 5xx. There is no --fail, with which it would repeat wrong requests as well.
set -eu
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
status=$(curl --silent --show-error --max-time 10 --retry 8 --retry-all-errors --retry-max-time 60 \
    ${SLOTQ_TOKEN:+--oauth2-bearer "$SLOTQ_TOKEN"} --output "$answer" --write-out '%{http_code}' \
    --header "Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)" \
    --json "{\"kind\": \"$1\", \"payload\": $2}" "${SLOTQ_URL:-http://127.0.0.1:8080}/v1/jobs")
cat "$answer"
case $status in 200 | 201) ;; *) echo "not stored: status $status" >&2 && exit 1 ;; esac
