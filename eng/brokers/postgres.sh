# PostgreSQL, for eng/brokers.sh, which says what the variables are.
# shellcheck shell=bash disable=SC2154

postgres_server() { # the folder of the newest server
    local bin
    bin=$(find "$root"/usr/lib/postgresql/*/bin -maxdepth 0 2>/dev/null | sort -V | tail -n 1)
    [[ -n $bin || -n $root ]] || bin=$(pg_config --bindir 2>/dev/null) || true
    [[ -n $bin && -x $bin/postgres && -x $bin/initdb ]] && echo "${bin#"$root"}"
}

postgres_user() { echo postgres; }

postgres_address() {
    echo "Host=127.0.0.1;Port=$port;Username=postrider;Password=$password;Database=postrider"
}

# fsync stays on: the tests prove durability.
postgres_create() {
    (become "$user" "$dir" "$server/initdb" -D "$inside/data" -U postrider --pwfile="$inside/password" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync) </dev/null >"$dir/log" 2>&1 ||
        die "initdb failed in $dir: $(tail -n 10 "$dir/log")"
    cat - <(extra conf) >>"$dir/data/postgresql.conf" <<-END
		listen_addresses = '127.0.0.1'
		unix_socket_directories = ''
		max_connections = 200
		shared_buffers = 32MB
		dynamic_shared_memory_type = mmap
	END
    [[ ! -f $dir/extra.hba ]] || extra hba >"$dir/data/pg_hba.conf"
    (become "$user" "$dir" "$server/postgres" --single -D "$inside/data" postgres) \
        <<<'CREATE DATABASE postrider' >>"$dir/log" 2>&1 ||
        die "cannot create the database in $dir: $(tail -n 10 "$dir/log")"
    : >"$dir/log"
}

postgres_launch() { launch "$server/postgres" -D "$inside/data" -p "$port"; }

postgres_ready() { # PID: the server keeps its state in line 8; an older file speaks of another process
    local status
    mapfile -t status < <(cat "$dir/data/postmaster.pid" 2>/dev/null)
    [[ ${status[0]:-} == "$1" && ${status[7]:-} == ready* ]]
}

postgres_end() { kill -INT "$1"; } # what PostgreSQL calls a fast shutdown

# Takes away what a killed server leaves: its shared memory segment, and the file that names it and the process. While
# nobody has reaped that process (a container without an init), the file would keep the next server from starting.
postgres_forget() { # DIR
    local left
    mapfile -t left < <(cat "$1/data/postmaster.pid" 2>/dev/null)
    [[ -z ${left[6]:-} ]] || ipcrm -m "${left[6]##* }" 2>/dev/null || true
    rm -f "$1/data/postmaster.pid"
}
