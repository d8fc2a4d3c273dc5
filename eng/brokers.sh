#!/usr/bin/env bash
# Finds, installs, starts, kills and stops the private brokers of the tests.
#
#   eng/brokers.sh install [oldest|newest]      makes sure that the servers are there
#   eng/brokers.sh postgres start DIR [PORT]    prints one line: the connection string
#   eng/brokers.sh postgres kill DIR            as a crash would: kill -9, all of it at once
#   eng/brokers.sh postgres stop DIR            a clean stop, within seconds
#   eng/brokers.sh sweep DIR                    stops every broker whose folder is in DIR
#
# POSTRIDER_BROKERS chooses the generation: `oldest` (the default) is what this machine has or its apt offers,
# `newest` is Debian unstable in a chroot, which needs root on Debian or Ubuntu.
#
# A broker lives in its DIR alone (data, log, port, password), listens on 127.0.0.1 only and keeps its port, so that
# it can be killed and started again. Everything is done by process id; nothing depends on PATH for a server.
set -euo pipefail

NEWEST_PACKAGES=postgresql # comma-separated; another list makes the chroot anew
newest=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/postrider/newest

say() { echo "brokers: $*" >&2; }
die() { say "$*"; exit 1; }

# ---- install -----------------------------------------------------------------------------------------------------

install_generation() {
    if [[ $generation == newest ]]; then
        install_newest
    elif postgres_bin >/dev/null; then
        say "PostgreSQL is installed: $(postgres_bin)"
    else
        apt_install postgresql
        postgres_bin >/dev/null || die "apt installed 'postgresql', yet there is no server in /usr/lib/postgresql/*/bin."
    fi
}

can_apt() { [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; }

apt_install() {
    can_apt || die "cannot install $*: that needs root and apt-get (Debian, Ubuntu)."
    say "installing $* with apt-get"
    no_system_cluster ""
    export DEBIAN_FRONTEND=noninteractive
    { apt-get -qq update && apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"; } \
        >&2 </dev/null || { allow_system_cluster; die "apt-get could not install $*; its own words are above."; }
    allow_system_cluster
}

# Debian's package makes and starts a cluster for the whole machine unless it is told not to.
no_system_cluster() {
    mkdir -p "$1/etc/postgresql-common/createcluster.d"
    echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.d/postrider-tests.conf"
}

allow_system_cluster() { rm -f /etc/postgresql-common/createcluster.d/postrider-tests.conf; }

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
    no_system_cluster "$newest.new"
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

# Becomes the given command, as the servers' own user (they refuse to be root), inside the chroot for `newest`. There
# the broker's folder is /mnt and the mounts belong to the process: they end with it, even when it is killed.
# shellcheck disable=SC2016
become() {
    local user=$1 dir=$2
    shift 2
    if [[ $EUID -ne 0 ]]; then
        exec "$@"
    elif [[ -z $root ]]; then
        exec chroot --userspec="$user:$user" / "$@"
    fi
    exec unshare --mount --propagation private bash -ec '
        mount --bind "$3" "$1/mnt"; mount --rbind /proc "$1/proc"; mount --rbind /dev "$1/dev"
        exec chroot --userspec="$2:$2" "$1" "${@:4}"' become "$root" "$user" "$dir" "$@"
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
    while port=$((20000 + RANDOM % 12000)); (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    echo "$port"
}

gone() { [[ ! -d /proc/$1 ]] || grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"; }

wait_gone() { # SECONDS PID...
    local i pid
    for pid in "${@:2}"; do
        for ((i = 0; i < $1 * 20; i++)); do
            gone "$pid" && continue 2
            sleep 0.05
        done
        return 1
    done
}

# ---- PostgreSQL --------------------------------------------------------------------------------------------------

postgres_bin() { # the folder of the newest server, as seen inside the root
    local bin
    bin=$(find "$root"/usr/lib/postgresql/*/bin -maxdepth 0 2>/dev/null | sort -V | tail -n 1)
    [[ -n $bin || -n $root ]] || bin=$(pg_config --bindir 2>/dev/null) || true
    [[ -n $bin && -x $bin/postgres && -x $bin/initdb ]] && echo "${bin#"$root"}"
}

postgres_start() {
    local dir=$1 port=${2:-} bin inside
    bin=$(postgres_bin) || die "no PostgreSQL server for '$generation'; run: eng/brokers.sh install $generation"
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd -P)
    inside=${root:+/mnt}
    inside=${inside:-$dir}
    trap 'exit 130' INT # between two steps: no initdb may go on behind our back
    trap 'exit 143' TERM
    [[ -f $dir/port ]] || postgres_create
    postgres_pid "$dir" >/dev/null || postgres_launch
    echo "Host=127.0.0.1;Port=$(<"$dir/port");Username=postrider;Password=$(<"$dir/password");Database=postrider"
}

# fsync stays on: the tests prove durability. The port is written last: a folder without it is half made.
postgres_create() {
    rm -rf "$dir/data"
    (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$dir/password")
    give_to postgres "$dir"
    (become postgres "$dir" "$bin/initdb" -D "$inside/data" -U postrider --pwfile="$inside/password" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync) </dev/null >"$dir/log" 2>&1 ||
        die "initdb failed in $dir: $(tail -n 10 "$dir/log")"
    cat >>"$dir/data/postgresql.conf" <<-END
		listen_addresses = '127.0.0.1'
		unix_socket_directories = ''
		max_connections = 200
		shared_buffers = 32MB
		dynamic_shared_memory_type = mmap
	END
    (become postgres "$dir" "$bin/postgres" --single -D "$inside/data" postgres) \
        <<<'CREATE DATABASE postrider' >>"$dir/log" 2>&1 ||
        die "cannot create the database in $dir: $(tail -n 10 "$dir/log")"
    : >"$dir/log"
    echo "${port:-$(free_port)}" >"$dir/port"
}

postgres_launch() {
    local server i status
    postgres_forget "$dir"
    become postgres "$dir" setsid "$bin/postgres" -D "$inside/data" -p "$(<"$dir/port")" </dev/null >>"$dir/log" 2>&1 &
    server=$!
    # shellcheck disable=SC2064
    trap "postgres_stop '$dir'; kill -KILL $server 2>/dev/null || true" EXIT # until it is known to be ready
    for ((i = 0; i < 1200; i++)); do # crash recovery may take a while
        # The server keeps its state in line 8. An older file speaks of another process.
        mapfile -t status < <(cat "$dir/data/postmaster.pid" 2>/dev/null)
        if [[ ${status[0]:-} == "$server" && ${status[7]:-} == ready* ]]; then
            trap - EXIT
            return
        fi
        ! gone "$server" || break
        sleep 0.05
    done
    tail -n 20 "$dir/log" >&2
    die "PostgreSQL in $dir did not get ready on port $(<"$dir/port"); the end of its log is above."
}

postgres_pid() { # DIR; nothing when it does not run: a stale file may name somebody else's process
    local pid
    pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && [[ /proc/$pid/cwd -ef $1/data ]] && echo "$pid"
}

postgres_kill() {
    local pid children
    pid=$(postgres_pid "$1") || return 0
    kill -STOP "$pid" # or it would start further children while they are listed
    children=$(grep -lsx "PPid:[[:space:]]*$pid" /proc/[0-9]*/status | cut -d/ -f3) || true
    # shellcheck disable=SC2086
    kill -KILL "$pid" $children 2>/dev/null || true
    # shellcheck disable=SC2086
    wait_gone 10 "$pid" $children || die "PostgreSQL in $1 (process $pid) survives kill -9."
    postgres_forget "$1"
}

# Takes away what a killed server leaves: its shared memory segment, and the file that names it and the process. While
# nobody has reaped that process (a container without an init), the file would keep the next server from starting.
postgres_forget() {
    local left
    mapfile -t left < <(cat "$1/data/postmaster.pid" 2>/dev/null)
    [[ -z ${left[6]:-} ]] || ipcrm -m "${left[6]##* }" 2>/dev/null || true
    rm -f "$1/data/postmaster.pid"
}

postgres_stop() {
    local pid
    if pid=$(postgres_pid "$1"); then
        kill -INT "$pid" # what PostgreSQL calls a fast shutdown
        wait_gone 15 "$pid" || { say "PostgreSQL in $1 does not stop, killing it"; postgres_kill "$1"; }
    fi
    postgres_forget "$1"
}

# ------------------------------------------------------------------------------------------------------------------

sweep() {
    local file
    while read -r file; do
        postgres_stop "${file%/data/postmaster.pid}"
    done < <(find "$1" -path '*/data/postmaster.pid' 2>/dev/null)
}

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }

generation=${POSTRIDER_BROKERS:-oldest}
[[ ${1:-} != install || $# -lt 2 ]] || generation=$2
case $generation in
    oldest) root= ;;
    newest) root=$newest ;;
    *) die "unknown generation of brokers '$generation': it is oldest or newest." ;;
esac

case "$* " in
    "install "*) install_generation ;;
    "postgres start "?*) postgres_start "${@:3}" ;;
    "postgres kill "?*) postgres_kill "$3" ;;
    "postgres stop "?*) postgres_stop "$3" ;;
    "sweep "?*) sweep "$2" ;;
    *) usage ;;
esac
