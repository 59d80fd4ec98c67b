# shellcheck shell=bash
# Sourced by the scripts beside it: how they speak, how they find a port, how they start and end a server.

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

# Colours are for people: in a pipe, with NO_COLOR, or on a terminal that has none, all of these are empty.
if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' cyan=$'\e[36m' plain=$'\e[0m'
else
    bold='' dim='' red='' green='' yellow='' cyan='' plain=''
fi
# Not every script uses all of these.
: "$root$bold$dim$red$green$yellow$cyan$plain"

say() { printf '%s\n' "$*"; }
heading() { printf '\n%s%s%s\n' "$bold$cyan" "$*" "$plain"; }
complain() { printf '%s\n' "$*" >&2; }
die() {
    complain "${0##*/}: $*"
    exit 1
}

# module_built_by CARGO...: runs a build and prints where it left the module.
module_built_by() {
    "$@" --message-format=json-render-diagnostics | sed -nE 's/.*"([^"]*\/libredis_session\.so)".*/\1/p' | tail -n 1
}

# parse_engine ARGUMENT...: takes --engine NAME out of the arguments, fetches that server, and has what is started use it. The
# others are left in `arguments`.
arguments=()
parse_engine() {
    while [[ $# -gt 0 ]]; do
        case $1 in
            --engine)
                [[ -n ${2:-} ]] || die '--engine takes a name'
                choose_engine "$2"
                shift
                ;;
            --engine=*) choose_engine "${1#*=}" ;;
            -h | --help) usage; exit ;;
            *) arguments+=("$1") ;;
        esac
        shift
    done
}

choose_engine() {
    [[ $1 != installed ]] || return 0
    "$root/scripts/engines" "$1"
    REDIS_SESSION_SERVER=$("$root/scripts/engines" --path "$1")
    export REDIS_SESSION_SERVER REDIS_SESSION_ENGINE=$1
}

# free_port: prints a loopback port on which nobody listens.
free_port() {
    local port
    for _ in {1..100}; do
        # Above 6379 and its neighbours, below the range that the kernel hands to outgoing connections.
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            say "$port"
            return
        fi
    done
    die "no free port between 20000 and 32000"
}

# start_server SERVER CLI DIR [OPTION...]: starts SERVER in DIR and sets server_pid and server_port; fails, with the server's
# own words in DIR, if it does not come up. Another program may take the port first, so a few ports are tried.
start_server() {
    local server=$1 cli=$2 dir=$3
    shift 3
    for _ in 1 2 3; do
        server_port=$(free_port)
        # A session of its own, so that it can outlive the script and its terminal; setsid becomes the server, pid and all.
        setsid "$server" --bind 127.0.0.1 --port "$server_port" --dir "$dir" --logfile "$dir/server.log" --save '' --appendonly no "$@" \
            </dev/null >"$dir/server.out" 2>&1 &
        server_pid=$!
        if server_answers "$cli"; then return; fi
        stop_server
        # Only a taken port is worth another try.
        grep -qs 'Address already in use' "$dir/server.log" "$dir/server.out" || return 1
    done
    return 1
}

# server_answers CLI: waits until the server answers, and makes sure that the one who answers is the one that was started.
server_answers() {
    local cli=$1 answer
    for _ in {1..100}; do
        kill -0 "$server_pid" 2>/dev/null || return 1
        answer=$("$cli" -h 127.0.0.1 -p "$server_port" INFO server 2>/dev/null | tr -d '\r') || answer=''
        if [[ $answer == *$'\n'"process_id:$server_pid"$'\n'* ]]; then return; fi
        sleep 0.1
    done
    return 1
}

# stop_server: ends the server that start_server started, and no other; one that hangs is not asked twice.
stop_server() {
    [[ -n ${server_pid:-} ]] || return 0
    kill "$server_pid" 2>/dev/null || true
    for _ in {1..50}; do
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$server_pid" 2>/dev/null || true
    wait "$server_pid" 2>/dev/null || true
    server_pid=''
}
