# shellcheck shell=bash disable=SC2034,SC2154
# Shared by the scripts here: sourced, with `root` as the top of the tree and set -euo pipefail in force.

cd "$root" || exit 1
logs="$root/build/logs"
venv="$root/.venv"
mkdir -p "$logs"

# say WHO TEXT: one line about progress.
say() { printf '%s: %s\n' "$1" "$2"; }

# die WHO TEXT: one line about what went wrong, and the end.
die() {
    printf '%s: %s\n' "$1" "$2" >&2
    exit 1
}

# logged NAME COMMAND...: runs with the output in build/logs/NAME.log; where it fails, shows the end of that log.
logged() {
    local log="$logs/$1.log" status=0
    shift
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" != 0 ]; then
        tail -n 60 "$log" >&2
        printf 'failed with status %s: %s\n(all of its output: %s)\n' "$status" "$*" "$log" >&2
    fi
    return "$status"
}

# free_port: a TCP port of 127.0.0.1 that nobody listens on just now.
free_port() {
    /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# wait_for SECONDS PID TEST...: until TEST succeeds; fails when the time is over or the process PID is gone.
wait_for() {
    local until=$((SECONDS + $1)) pid=$2
    shift 2
    until "$@" 2>/dev/null; do
        kill -0 "$pid" 2>/dev/null || return 1
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.05
    done
}

# listens PORT: somebody accepts connections there.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The processes that a script started, ended in reverse order by stop_all.
pids=()

# stop PID: asks it to end, waits, and insists after ten seconds.
stop() {
    local until=$((SECONDS + 10))
    kill "$1" 2>/dev/null || return 0
    while kill -0 "$1" 2>/dev/null && [ "$SECONDS" -lt "$until" ]; do sleep 0.05; done
    kill -9 "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

stop_all() {
    local index
    for ((index = ${#pids[@]} - 1; index >= 0; index--)); do stop "${pids[index]}"; done
    pids=()
}

# start_mosquitto DIRECTORY: a broker of our own on a free port, put into `broker_port`; its files in DIRECTORY.
start_mosquitto() {
    local mosquitto
    mosquitto=$(PATH="$PATH:/usr/sbin" command -v mosquitto) || die mosquitto "not installed: apt-get install mosquitto"
    for _ in 1 2 3; do # another program may take the port in between
        broker_port=$(free_port)
        printf 'listener %s 127.0.0.1\nallow_anonymous true\npersistence false\n%s' "$broker_port" "${broker_extra:-}" \
            >"$1/mosquitto.conf"
        "$mosquitto" -c "$1/mosquitto.conf" >"$1/mosquitto.log" 2>&1 &
        pids+=("$!")
        if wait_for 10 "$!" listens "$broker_port"; then return 0; fi
    done
    cat "$1/mosquitto.log" >&2
    die mosquitto "did not start"
}
