#!/usr/bin/env bash
# Builds, starts private brokers, runs every test, stops the brokers, and prints a line for each failed test and one more:
#
#   N passed, N failed, N skipped
#
#   ./test.sh [--brokers oldest|newest] [--filter TEXT] [--configuration Release|Debug]
#
# The exit code is 0 only when at least one test passed and none failed. --filter runs the tests whose full name contains
# TEXT. A broker is, in this order: the one that POSTRIDER_TEST_PGMQ (a connection string), POSTRIDER_TEST_RABBITMQ
# (amqp://...) or POSTRIDER_TEST_NATS (nats://...) names, a private one from installed binaries, from `apt-get install`
# (as root), or Docker's (compose.yaml).
# With CI=true a test that is skipped because its broker ("no broker: ...") or a client that is not ours ("no client:
# ...", from `apt-get install`) is missing counts as failed.
set -euo pipefail
cd "$(dirname "$0")"

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' test.sh >&2; exit 2; }
say() { echo "test.sh: $*" >&2; }

generation=${POSTRIDER_BROKERS:-oldest} configuration=Release filter=()
while [[ $# -gt 0 ]]; do
    [[ $# -ge 2 ]] || usage
    case $1 in
        --brokers) generation=$2 ;;
        --filter) filter=(-method "*$2*") ;;
        --configuration) configuration=$2 ;;
        *) usage ;;
    esac
    shift 2
done
[[ $generation == oldest || $generation == newest ]] || usage
export POSTRIDER_BROKERS=$generation

BUDGET=2400 # seconds for everything: nothing may hang for good
passed=0 failed=0 skipped=0
failures=() # a line each
running=() # the processes that are at work: the starts of brokers, or the test project
composed=  # whether Docker's brokers run
# Everything a run makes is in here. Servers run as another user, who has to get through to their folders.
work=$(mktemp -d "${TMPDIR:-/tmp}/postrider-test.XXXXXX")
chmod 711 "$work"

# shellcheck disable=SC2317 # a trap calls it
cleanup() {
    trap '' INT TERM # a second Ctrl-C must not leave the brokers behind
    if [[ ${#running[@]} -gt 0 ]]; then
        kill -TERM "${running[@]}" 2>/dev/null || true
        wait "${running[@]}" || true
    fi
    eng/brokers.sh sweep "$work" || true
    [[ -z $composed ]] || docker compose down --volumes || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The line is the last thing on every way out but an interruption.
finish() {
    [[ $passed -gt 0 ]] || say "no test passed, so this run says nothing."
    [[ ${#failures[@]} -eq 0 ]] || printf 'failed: %s\n' "${failures[@]}"
    echo "$passed passed, $failed failed, $skipped skipped"
    [[ $failed -eq 0 && $passed -gt 0 ]] || exit 1
    exit 0
}

give_up() {
    say "$*"
    failed=$((failed + 1))
    finish
}

# ---- brokers -----------------------------------------------------------------------------------------------------

BROKERS=(postgres rabbitmq nats)
declare -A VARIABLE=([postgres]=POSTRIDER_TEST_PGMQ [rabbitmq]=POSTRIDER_TEST_RABBITMQ [nats]=POSTRIDER_TEST_NATS)

use_brokers() {
    local broker missing=()
    for broker in "${BROKERS[@]}"; do
        if [[ -n $(printenv "${VARIABLE[$broker]}") ]]; then
            say "$broker: the one ${VARIABLE[$broker]} names"
        else
            missing+=("$broker")
        fi
    done
    if [[ ${#missing[@]} -eq 0 ]]; then
        return
    elif eng/brokers.sh install "$generation"; then
        start_private "${missing[@]}"
    elif docker compose version >/dev/null 2>&1; then
        start_docker "${missing[@]}"
    else
        give_up "no server of: ${missing[*]}. Either set POSTRIDER_TEST_PGMQ to a connection string (Host=...;Port=...;" \
            "Username=...;Password=...;Database=...), POSTRIDER_TEST_RABBITMQ to amqp://user:password@host:port/ and" \
            "POSTRIDER_TEST_NATS to nats://user:password@host:port, or install the servers (apt-get install postgresql" \
            "rabbitmq-server nats-server), or run this as root on Debian or Ubuntu, or install Docker with its compose" \
            "plugin."
    fi
}

start_private() { # BROKER...: side by side, as the slowest takes its time
    local broker
    for broker; do
        eng/brokers.sh "$broker" start "$work/$broker" >"$work/$broker.address" &
        running+=($!)
    done
    for broker; do
        wait "${running[0]}" || give_up "$broker does not start."
        running=("${running[@]:1}")
        export "${VARIABLE[$broker]}=$(<"$work/$broker.address")"
    done
    # With it the tests start servers of their own, to kill them.
    export POSTRIDER_BROKERS_SCRIPT=$PWD/eng/brokers.sh
}

start_docker() { # BROKER...
    local broker
    say "starting Docker's $* (compose.yaml)"
    composed=yes
    export COMPOSE_PROJECT_NAME=postrider-test-$$
    export POSTRIDER_POSTGRES_PORT=0 POSTRIDER_RABBITMQ_PORT=0 POSTRIDER_NATS_PORT=0
    [[ $generation == newest ]] || export POSTRIDER_POSTGRES=15 POSTRIDER_RABBITMQ=3.10 POSTRIDER_NATS=2.9
    docker compose up --detach --wait "$@" >&2 || give_up "Docker cannot start $*; its own words are above."
    for broker; do
        export "${VARIABLE[$broker]}=$(docker_address "$broker")"
    done
}

docker_address() { # BROKER
    case $1 in
        postgres)
            echo "Host=127.0.0.1;Port=$(docker_port postgres 5432);Username=postrider;Password=postrider;Database=postrider"
            ;;
        rabbitmq) echo "amqp://postrider:postrider@127.0.0.1:$(docker_port rabbitmq 5672)/" ;;
        nats) echo "nats://postrider:postrider@127.0.0.1:$(docker_port nats 4222)" ;;
    esac
}

docker_port() { docker compose port "$@" | sed 's/.*://'; } # BROKER PORT

# ---- tests -------------------------------------------------------------------------------------------------------

# The name of each and what it said; the whole is above, where it failed.
failed_tests() { # RESULT
    tr '\n' ' ' <"$1" | sed 's/<test /\n&/g' |
        sed -nE 's/^<test [^>]*name="([^"]*)"[^>]*result="Fail".*<message>(.*)<\/message>.*/\1: \2/p' | cut -c 1-600
}

attribute() { sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p" <<<"$2"; }

run_project() { # PROJECT: the name of a folder in tests/ and of its project
    local code=0 result=$work/$1.xml totals lacking=0 bad
    local program=artifacts/bin/$1/${configuration,,}/Postrider.$1.dll
    echo "== $1 ($generation brokers)"
    # In the background, as a trap has to wait for a command in the foreground. Bash lets such a command ignore Ctrl-C,
    # and so would every process that the tests start and interrupt: hence env.
    timeout --kill-after=10 $((SECONDS < BUDGET ? BUDGET - SECONDS : 1)) env --default-signal=INT,QUIT \
        dotnet "$program" -noLogo -noColor "${filter[@]}" -result-xml "$result" </dev/null &
    running=($!)
    wait "${running[0]}" || code=$?
    running=()

    totals=$(grep -o -m 1 '<assembly [^>]*>' "$result" 2>/dev/null | head -n 1) || true
    if [[ -z $totals ]]; then
        [[ $code -ne 124 ]] || say "the whole run has $BUDGET seconds; $1 was stopped when they were over."
        say "$1 ended with exit code $code and without a result: it crashed, hung or was not built. Counted as failed."
        failed=$((failed + 1))
        return
    fi
    mapfile -t -O "${#failures[@]}" failures < <(failed_tests "$result")
    bad=$(($(attribute failed "$totals") + $(attribute errors "$totals")))
    if [[ $code -ne 0 && $bad -eq 0 && ${#filter[@]} -eq 0 ]]; then
        say "$1 ended with exit code $code although no test failed. Counted as failed."
        bad=1
    fi
    if [[ ${CI:-} == true ]]; then
        lacking=$({ grep -oE '<reason>(<!\[CDATA\[)?no (broker|client):' "$result" || true; } | wc -l)
        [[ $lacking -eq 0 ]] || say "$1 skipped $lacking tests for want of a broker or a client. Under CI they count as failed."
    fi
    passed=$((passed + $(attribute passed "$totals")))
    failed=$((failed + bad + lacking))
    skipped=$((skipped + $(attribute skipped "$totals") - lacking))
}

# The path says where run_project finds the programs, whatever the nearest Directory.Build.props is.
dotnet build Framework.sln -c "$configuration" --artifacts-path "$PWD/artifacts" </dev/null || give_up "the build failed, see above."
use_brokers
eng/brokers.sh clients || say "tests with psql, amqp-tools, Python's Pika or promtool are skipped where those are not installed."
export TMPDIR=$work # whatever tests leave goes with it, and brokers they forgot are stopped
# Every project whose name ends in Tests; others in tests/ are helpers of theirs.
for project in tests/*Tests/; do
    run_project "$(basename "$project")"
done
finish
