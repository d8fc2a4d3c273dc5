#!/usr/bin/env bash
# Finds, installs, starts, kills and stops the private brokers of the tests.
#
#   eng/brokers.sh install [oldest|newest]   makes sure that the servers are there
#   eng/brokers.sh BROKER start DIR [PORT]   prints one line: the connection string, or the address with the password
#   eng/brokers.sh BROKER kill DIR           as a crash would: kill -9, all of it at once
#   eng/brokers.sh BROKER stop DIR           a clean stop, within seconds
#   eng/brokers.sh sweep DIR                 stops every broker whose folder is in DIR
#   eng/brokers.sh clients                   makes sure that the clients of others are there: psql, amqp-tools, Python's Pika, promtool
#
# BROKER is postgres, rabbitmq or nats. POSTRIDER_BROKERS chooses the generation: `oldest` (the default) is what this
# machine has or its apt offers, `newest` is Debian unstable in a chroot, which needs root on Debian or Ubuntu.
#
# A broker lives in its DIR alone (data, log, port, password), listens on 127.0.0.1 only and keeps its port, so that
# it can be killed and started again. Everything is done by process id; nothing depends on PATH for a server.
#
# What a test puts into DIR before the first start configures the server: the lines of `extra.conf` are added to its
# configuration, `extra.hba` replaces PostgreSQL's pg_hba.conf. `@DIR@` in them stands for DIR as the server sees it.
set -euo pipefail

KINDS=(postgres rabbitmq nats)
declare -A PACKAGE=([postgres]=postgresql [rabbitmq]=rabbitmq-server [nats]=nats-server)
NEWEST_PACKAGES=postgresql,rabbitmq-server,nats-server # another list makes the chroot anew
newest=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/postrider/newest

say() { echo "brokers: $*" >&2; }
die() { say "$*"; exit 1; }

# ---- install -----------------------------------------------------------------------------------------------------

install_generation() {
    local kind missing=()
    if [[ $generation == newest ]]; then
        install_newest
        return
    fi
    for kind in "${KINDS[@]}"; do
        "${kind}_server" >/dev/null || missing+=("${PACKAGE[$kind]}")
    done
    [[ ${#missing[@]} -eq 0 ]] || apt_install "${missing[@]}"
    for kind in "${KINDS[@]}"; do
        "${kind}_server" >/dev/null || die "apt installed '${PACKAGE[$kind]}', yet its server is not where Debian puts it."
        say "$kind is installed: $("${kind}_server")"
    done
}

# They run on this machine, whatever the servers' generation.
install_clients() {
    local missing=()
    [[ -x /usr/bin/psql ]] || missing+=(postgresql-client)
    [[ -x /usr/bin/amqp-publish && -x /usr/bin/amqp-get ]] || missing+=(amqp-tools)
    /usr/bin/python3 -c 'import pika' 2>/dev/null || missing+=(python3-pika)
    command -v promtool >/dev/null || missing+=(prometheus)
    [[ ${#missing[@]} -eq 0 ]] || apt_install "${missing[@]}"
}

can_apt() { [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; }

apt_install() (
    can_apt || die "cannot install $*: that needs root and apt-get (Debian, Ubuntu)."
    say "installing $* with apt-get"
    trap allow_system_servers EXIT
    no_system_servers ""
    export DEBIAN_FRONTEND=noninteractive
    { apt-get -qq update && apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"; } \
        >&2 </dev/null || die "apt-get could not install $*; its own words are above."
)

# Debian's packages start a server for the whole machine unless they are told not to; PostgreSQL's also makes a cluster.
no_system_servers() { # ROOT
    mkdir -p "$1/etc/postgresql-common/createcluster.d" "$1/usr/sbin"
    echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.d/postrider-tests.conf"
    [[ ! -e $1/usr/sbin/policy-rc.d ]] || return 0 # somebody else's
    printf '#!/bin/sh\n# %s\nexit 101\n' "$policy_mark" >"$1/usr/sbin/policy-rc.d"
    chmod +x "$1/usr/sbin/policy-rc.d"
}
policy_mark="made by Postrider's tests while they install brokers"

allow_system_servers() {
    rm -f /etc/postgresql-common/createcluster.d/postrider-tests.conf
    ! grep -qsF "$policy_mark" /usr/sbin/policy-rc.d || rm -f /usr/sbin/policy-rc.d
}

# Made in a folder beside and renamed when complete, one run at a time: what has the final name is whole.
install_newest() (
    [[ $EUID -eq 0 ]] || die "the newest brokers live in a chroot, which needs root; run as root or with --brokers oldest."
    unshare --mount true || die "the newest brokers need mounts of their own, and this system refuses (see above): a" \
        "container needs CAP_SYS_ADMIN, in a plain chroot / has to be a mount point."
    mkdir -p "${newest%/*}"
    exec 9>"$newest.lock"
    flock 9
    if [[ -f $newest/packages && $(<"$newest/packages") == "$NEWEST_PACKAGES" ]]; then
        say "the newest brokers are in $newest (delete that folder to get newer ones)"
        return
    fi
    if [[ ! -f $keyring ]] || ! command -v debootstrap >/dev/null; then
        apt_install debootstrap gpgv debian-archive-keyring
    fi
    rm -rf "$newest" "$newest.new"
    trap 'rm -rf "$newest.new"' EXIT
    no_system_servers "$newest.new"
    use_proxy_of_apt
    say "making a chroot of Debian unstable ($NEWEST_PACKAGES) from $(debian_mirror), about a minute"
    # In a mount namespace of its own, so that nothing stays mounted, however this ends.
    unshare --mount debootstrap --variant=minbase --force-check-gpg --keyring="$keyring" \
        --include="$NEWEST_PACKAGES" sid "$newest.new" "$(debian_mirror)" 9>&- >"$newest.log" 2>&1 </dev/null || {
        tail -n 20 "$newest.log" "$newest.new/debootstrap/debootstrap.log" >&2 || true
        die "debootstrap failed, see above. POSTRIDER_DEBIAN_MIRROR names another mirror; an unknown key of the" \
            "archive needs a newer package 'debian-archive-keyring'."
    }
    rm -rf "$newest.log" "$newest.new"/var/cache/apt/archives/*.deb "$newest.new"/var/lib/apt/lists/*
    echo "$NEWEST_PACKAGES" >"$newest.new/packages"
    mv "$newest.new" "$newest"
    say "made $newest ($(du -sh "$newest" | cut -f1))"
)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirror this machine's own apt uses. Only the archive itself, no third party, has a suite `<release>-updates`.
debian_mirror() {
    local id codename found=
    id=$(. /etc/os-release && echo "$ID") codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    if [[ $id == debian ]]; then
        found=$(apt-get update --print-uris | sed -n "s|^'\(http.*\)/dists/$codename-updates/InRelease'.*|\1|p" | head -n 1)
    fi
    echo "${POSTRIDER_DEBIAN_MIRROR:-${found:-http://deb.debian.org/debian}}"
}

use_proxy_of_apt() {
    set -o allexport
    eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
    set +o allexport
}

# ---- the generation's user and root ------------------------------------------------------------------------------

# Becomes the given command, as the server's own user (they refuse to be root), inside the chroot for `newest`. There
# the broker's folder is /mnt and the mounts belong to the process: they end with it, even when it is killed.
# shellcheck disable=SC2016
become() {
    local user=$1 dir=$2
    shift 2
    if [[ $EUID -ne 0 ]]; then
        exec "$@"
    elif [[ -z $root ]]; then
        exec chroot --userspec="$user:" / "$@"
    fi
    exec unshare --mount --propagation private bash -ec '
        mount --bind "$3" "$1/mnt"; mount --rbind /proc "$1/proc"; mount --rbind /dev "$1/dev"
        exec chroot --userspec="$2:" "$1" "${@:4}"' become "$root" "$user" "$dir" "$@"
}

give_to() { # USER DIR
    [[ $EUID -eq 0 ]] || return 0
    chown -R "$(chroot "${root:-/}" id -u "$1"):$(chroot "${root:-/}" id -g "$1")" "$2"
    [[ -n $root ]] || (become "$1" "$2" test -w "$2") ||
        die "the user '$1', who runs the server, cannot reach $2: a folder above it is closed (chmod o+x)."
}

# Below the range from which the system takes the ports of clients, or one of those could sit on the port of a broker
# that is down for a moment.
free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)); listens "$port"; do :; done
    echo "$port"
}

gone() { [[ ! -d /proc/$1 ]] || grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"; }

wait_gone() { # SECONDS PID...
    local pid
    for pid in "${@:2}"; do
        await "$1" gone "$pid" || return 1
    done
}

await() { # SECONDS COMMAND...: until the command succeeds
    local i
    for ((i = 0; i < $1 * 20; i++)); do
        "${@:2}" && return 0 # a bare return would give a trap the status from before it
        sleep 0.05
    done
    return 1
}

find_server() { # PATH...: the first that is there, seen from within the root
    local path
    for path; do
        [[ -x $root/$path ]] && echo "/$path" && return
    done
    return 1
}

# ---- one broker --------------------------------------------------------------------------------------------------

# The files beside this one say what is special about each kind of broker. They find in these variables:
#
#   root           where the generation's system is: empty, or the folder of the chroot
#   server         the server's program, seen from within the root, as KIND_server has found it
#   dir, inside    the broker's folder, as this script and as the server sees it
#   user           who the server runs as, if this is root
#   port, password

# shellcheck disable=SC2034
start_broker() { # KIND DIR [PORT]
    local kind=$1 dir=$2 port=${3:-} server user inside password
    server=$("${kind}_server") || die "no server of $kind for '$generation'; run: eng/brokers.sh install $generation"
    user=$("${kind}_user")
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd -P)
    inside=${root:+/mnt}
    inside=${inside:-$dir}
    trap 'exit 130' INT # between two steps: nothing may go on behind our back
    trap 'exit 143' TERM
    # shellcheck disable=SC2064
    trap "abandon $kind ${dir@Q}" EXIT # until it is known to be ready
    [[ -f $dir/port ]] || create_broker
    port=$(<"$dir/port") password=$(<"$dir/password")
    if ! pid_of "$kind" "$dir" >/dev/null; then
        "${kind}_forget" "$dir"
        "${kind}_launch"
    fi
    trap - EXIT
    "${kind}_address"
}

abandon() { # KIND DIR
    [[ -n $(jobs -p) ]] || return 0 # nothing begun
    stop_broker "$1" "$2"
    jobs -pr | xargs --no-run-if-empty kill -KILL 2>/dev/null || true # what was too young to be known again
}

# The port is written last: a folder without it is half made.
create_broker() {
    stop_broker "$kind" "$dir"
    rm -rf "$dir/data"
    mkdir "$dir/data"
    : >"$dir/log"
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    (umask 077 && echo "$password" >"$dir/password")
    port=${port:-$(free_port)}
    find "$dir" -maxdepth 1 \( -name '*.key' -o -name '*.pem' \) -exec chmod 600 {} + # PostgreSQL insists
    give_to "$user" "$dir"
    "${kind}_create"
    give_to "$user" "$dir"
    echo "$port" >"$dir/port"
}

extra() { # SUFFIX: the lines a test adds, the last one ended
    [[ ! -f $dir/extra.$1 ]] || { sed "s|@DIR@|$inside|g" "$dir/extra.$1" && echo; }
}

in_background() { # NAME COMMAND...: at work in the folder of the data, by which pid_of knows it again
    become "$user" "$dir" setsid env --chdir="$inside/data" "${@:2}" </dev/null >>"$dir/log" 2>&1 &
    echo $! >"$dir/$1.pid"
}

launch() { # COMMAND...
    local pid logged
    logged=$(stat -c %s "$dir/log")
    in_background "$kind" "$@"
    pid=$(<"$dir/$kind.pid")
    # Recovery after a crash may take a while.
    if await 90 ready_or_gone "$pid" && ! gone "$pid"; then
        return
    fi
    tail -n 20 "$dir/log" >&2
    die "$kind in $dir did not get ready on port $port; the end of its log is above."
}

ready_or_gone() { "${kind}_ready" "$1" || gone "$1"; } # PID

has_logged() { tail -c "+$((logged + 1))" "$dir/log" | grep -F "$1" >/dev/null; } # since it was launched

listens() { (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

pid_of() { # NAME DIR; nothing when it does not run: a stale file may name somebody else's process
    local pid
    pid=$(cat "$2/$1.pid" 2>/dev/null) && [[ -n $pid && /proc/$pid/cwd -ef $2/data ]] && echo "$pid"
}

kill_broker() { # KIND DIR
    local pid all
    if pid=$(pid_of "$1" "$2"); then
        kill -STOP "$pid" # or it would start further children while they are listed
        mapfile -t all < <(family "$pid")
        kill -KILL "${all[@]}" 2>/dev/null || true
        wait_gone 10 "${all[@]}" || die "$1 in $2 (process $pid) survives kill -9."
    fi
    "${1}_forget" "$2"
}

family() { # PID: it and all that it has started
    local child
    echo "$1"
    while read -r child; do
        family "$child"
    done < <(grep -lsx "PPid:[[:space:]]*$1" /proc/[0-9]*/status | cut -d/ -f3)
}

stop_broker() { # KIND DIR
    local pid
    if pid=$(pid_of "$1" "$2"); then
        "${1}_end" "$pid"
        wait_gone 15 "$pid" || { say "$1 in $2 does not stop, killing it"; kill_broker "$1" "$2"; }
    fi
    "${1}_forget" "$2"
}

# ------------------------------------------------------------------------------------------------------------------

sweep() { # DIR
    local file kind
    for kind in "${KINDS[@]}"; do
        while read -r file; do
            stop_broker "$kind" "${file%/*}"
        done < <(find "$1" -name "$kind*.pid" 2>/dev/null)
    done
}

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for kind in "${KINDS[@]}"; do
    # shellcheck source=/dev/null
    . "$here/brokers/$kind.sh"
done

generation=${POSTRIDER_BROKERS:-oldest}
[[ ${1:-} != install || $# -lt 2 ]] || generation=$2
case $generation in
    oldest) root= ;;
    newest) root=$newest ;;
    *) die "unknown generation of brokers '$generation': it is oldest or newest." ;;
esac

case "$* " in
    "install "*) install_generation ;;
    "clients ") install_clients ;;
    "sweep "?*) sweep "$2" ;;
    "postgres "* | "rabbitmq "* | "nats "*)
        [[ -n ${3:-} ]] || usage
        case $2 in
            start) start_broker "$1" "${@:3}" ;;
            kill) kill_broker "$1" "$3" ;;
            stop) stop_broker "$1" "$3" ;;
            *) usage ;;
        esac
        ;;
    *) usage ;;
esac
