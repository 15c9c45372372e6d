#!/bin/sh
# A state transfer between nodes on one machine: the joiner copies the donor's files. It speaks the protocol of
# wsrep_sst_rsync, whose package would bring a second server and its service along. It is called only when the donor's
# cache of write sets no longer reaches back to where the joiner stands; otherwise with --bypass.
role= address= data= gtid= bypass=
parent=$PPID # of the donor, to which the server does not say it
while [ $# -gt 0 ]; do
	case "$1" in
	--role) role=$2; shift ;;
	--address) address=$2; shift ;;
	--datadir) data=${2%/}; shift ;;
	--gtid) gtid=$2; shift ;;
	--parent) parent=$2; shift ;;
	--bypass) bypass=1 ;;
	esac
	shift
done
meet=$(dirname "$0")/sst-$(echo "${address%%/*}" | tr -c '0-9\n' -) # where the two meet: a directory named by the joiner's address
# wait_for looks again until a command succeeds, and ends with the server, which may die meanwhile.
wait_for() { until "$@" 2>/dev/null; do kill -0 "$parent" 2>/dev/null || exit 1; sleep 0.05; done; }
case $role in
joiner)
	rm -rf "$meet" && mkdir "$meet" || exit 1
	echo "ready $address/copy"
	wait_for [ -e "$meet/done" ]
	if [ -e "$meet/data" ]; then
		(cd "$data" && ls -A | grep -v -e '^grastate' -e '^gvwstate' -e '^galera' -e '^socket$' | xargs -r rm -rf)
		cp -a "$meet/data/." "$data/" || exit 1
	fi
	cat "$meet/done"
	rm -rf "$meet"
	;;
donor)
	if [ -z "$bypass" ]; then
		rm -f "$data/tables_flushed"
		echo "flush tables"
		wait_for grep -q : "$data/tables_flushed"
		gtid=$(cat "$data/tables_flushed")
		rm -f "$data/tables_flushed"
		mkdir "$meet/data" || exit 1
		(cd "$data" && ls -A | grep -v -e '^grastate' -e '^gvwstate' -e '^galera' -e '^socket$' | xargs -r cp -a -t "$meet/data") || exit 1
	fi
	echo continue
	echo "$gtid" >"$meet/ready" && mv "$meet/ready" "$meet/done" || exit 1
	echo "done $gtid"
	;;
esac
