#!/usr/bin/env bash
# Builds slotq and runs api, one worker and one manager on this machine, with the example handlers: what `make run`
# calls. Everything that it writes goes to bin/ and data/. A part that dies is started again; Ctrl-C stops all.
#
#   SLOTQ_DATABASE_URL   the database; without it a SQLite file, data/slotq.db
#   SLOTQ_HANDLERS       handlers of your own; without it the examples, deploy/worker.yaml
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
umask 077 # jobs carry what is nobody else's business

# How long a stop may take: the worker's drain, the time to kill what is left, and a little.
drain=5
stop_limit=12

say() { printf '%s\n' "$*"; }
fail() {
    printf 'run: %s\n' "$*" >&2
    exit 1
}

# --- build --------------------------------------------------------------------------------------------------------

command -v go >/dev/null || fail "Go is missing: install it from https://go.dev/dl/ or your distribution"
((BASH_VERSINFO[0] >= 4)) || fail "this needs bash 4 or newer, and this is $BASH_VERSION"
mkdir -p bin data
chmod 700 data
say "building bin/api, bin/worker, bin/manager and bin/demo-thumbnail"
go build -o bin/ ./api ./worker ./manager ./worker/cmd/demo-thumbnail || fail "the build failed"

# --- ports --------------------------------------------------------------------------------------------------------

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port FIRST: the first port from FIRST on that nobody answers on and that was not given out before.
given=" "
free_port() {
    port=$1
    while taken "$port" || [[ $given == *" $port "* ]]; do
        ((++port < $1 + 100)) || fail "no free port from $1 to $port"
    done
    given+="$port "
}
free_port 8080 && api_port=$port
free_port 8081 && worker_port=$port
free_port 8082 && manager_port=$port

handlers=${SLOTQ_HANDLERS:-deploy/worker.yaml}
[[ $api_port == 8080 ]] || say "port 8080 is taken, using $api_port"
if [[ $api_port != 8080 && $handlers == deploy/worker.yaml ]]; then
    handlers=data/worker.yaml
    sed "s|http://127.0.0.1:8080/|http://127.0.0.1:$api_port/|" deploy/worker.yaml >"$handlers"
fi

# --- parts --------------------------------------------------------------------------------------------------------

export SLOTQ_DATABASE_URL=${SLOTQ_DATABASE_URL:-sqlite:data/slotq.db}
export SLOTQ_HEARTBEAT=1s SLOTQ_LEASE=4s SLOTQ_SWEEP=500ms SLOTQ_LOG_FORMAT=text
unset SLOTQ_LISTEN SLOTQ_OPS_LISTEN # one value for three binaries would make their ports collide

worker_flags=(--listen="127.0.0.1:$worker_port" --handlers="$handlers" --drain-timeout="${drain}s")
((EUID == 0)) && worker_flags+=(--insecure) # the examples have no `user:`; as root the worker asks for one

declare -A pid=() failures=() started=()

# words PART: turns a part's log into lines for people; what is no log line passes as it is.
words() {
    sed -u -E -e 's/^time=[^ ]*T([0-9:]{8})[^ ]* level=[A-Z]+ msg=("(([^"\\]|\\.)*)"|([^ ]*))/\1 '"$1"': \3\5/' -e 's/\\"/"/g'
}

start() {
    local log_level=info
    # Jobs are told of by the worker; from the others only what is wrong.
    [[ $1 == worker ]] || log_level=warn
    local flags=()
    case $1 in
    api) flags=(--listen="127.0.0.1:$api_port" --demo) ;;
    worker) flags=("${worker_flags[@]}") ;;
    manager) flags=(--listen="127.0.0.1:$manager_port") ;;
    esac
    # Job control puts the part into a process group of its own: Ctrl-C then reaches this script alone, which stops
    # the parts in order, and the worker does not take it for its second, impatient signal.
    set -m
    SLOTQ_LOG_LEVEL=$log_level "bin/$1" "${flags[@]}" > >(trap '' INT TERM; words "$1") 2>&1 </dev/null &
    pid[$1]=$!
    set +m
    started[$1]=$SECONDS
}

stopping=
stop() {
    [[ -z $stopping ]] || return 0
    stopping=yes
    trap '' HUP # but not INT: a second Ctrl-C ends the wait
    trap 'kill_all; exit 130' INT TERM
    say "stopping; running jobs get ${drain} s"
    # The api first, so that nothing new comes; the manager last, so that it sees the worker leave.
    local part end=$((SECONDS + stop_limit))
    for part in api worker manager; do
        alive "$part" && kill -TERM "${pid[$part]}" 2>/dev/null
        while alive "$part" && ((SECONDS < end)); do
            sleep 0.1
        done
    done
    kill_all
    say "stopped"
}

alive() { [[ -n ${pid[$1]:-} ]] && kill -0 "${pid[$1]}" 2>/dev/null; }

# A worker that is killed takes its jobs' processes along.
kill_all() {
    local part
    for part in "${!pid[@]}"; do
        kill -KILL "${pid[$part]}" 2>/dev/null
    done
    wait 2>/dev/null
}

trap 'stop; exit 0' INT TERM HUP
trap 'kill_all' EXIT

ready() {
    local line
    exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
    printf 'GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
    read -r -t 3 line <&3
    exec 3>&-
    [[ $line == *" 200 "* ]]
} 2>/dev/null

for part in api worker manager; do
    start "$part"
    # One after the other, so that one of them makes the tables of an empty database.
    port=${part}_port
    for ((i = 0; i < 150; i++)); do
        (ready "${!port}") && break
        if ! alive "$part"; then
            wait "${pid[$part]}"
            fail "$part did not start (exit code $?), see above"
        fi
        sleep 0.1
    done
    ((i < 150)) || fail "$part was not ready after 15 s, see above"
done

# --- what to do now -----------------------------------------------------------------------------------------------

database=${SLOTQ_DATABASE_URL%%\?*}
[[ $database == *@* ]] && database="${database%%://*}://…@${database##*@}"
say "
slotq runs on $database
  api      http://127.0.0.1:$api_port      pid ${pid[api]}
  worker   http://127.0.0.1:$worker_port      pid ${pid[worker]}, handlers in $handlers
  manager  http://127.0.0.1:$manager_port      pid ${pid[manager]}

the page   http://127.0.0.1:$api_port/
a job      curl --json '{\"kind\":\"demo.thumbnail\",\"payload\":{\"in\":\"deploy/demo/photo.jpg\",\"out\":\"data/thumbnail.jpg\"}}' http://127.0.0.1:$api_port/v1/jobs
break it   kill -9 ${pid[worker]}
the end    Ctrl-C
"

# Bash would tell on stderr of each part that is killed, in its own words.
exec 2>/dev/null
# Looking twice a second is not elegant, but `wait -n` misses a part that dies while another one is being started.
while sleep 0.5; [[ -z $stopping ]]; do
    for part in api worker manager; do
        alive "$part" && continue
        wait "${pid[$part]}"
        code=$?
        # A part that cannot stay up is not hammered.
        if ((SECONDS - started[$part] < 5)); then
            failures[$part]=$((${failures[$part]:-0} + 1))
            sleep "$((failures[$part] < 5 ? failures[$part] : 5))"
        else
            failures[$part]=0
        fi
        start "$part"
        say "$part died (exit code $code), started again with pid ${pid[$part]}"
    done
done
