#!/bin/sh
# Ignores every polite request to stop, and so do the processes that it starts: what the KILL after the grace is for.
trap '' TERM INT HUP
while :; do
    sleep 1
done
