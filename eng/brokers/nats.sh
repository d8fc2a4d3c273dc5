# NATS with JetStream, for eng/brokers.sh, which says what the variables are.
# shellcheck shell=bash disable=SC2154

nats_server() { find_server usr/sbin/nats-server usr/bin/nats-server usr/local/bin/nats-server; }

nats_user() { chroot "${root:-/}" id -un nats 2>/dev/null || echo nobody; } # not every package makes a user

nats_address() { echo "nats://postrider:$password@127.0.0.1:$port"; }

nats_create() {
    (umask 077 && cat - <(extra conf) >"$dir/nats.conf") <<-END
		listen: "127.0.0.1:$port"
		server_name: "postrider-$port"
		max_payload: 8MB
		jetstream { store_dir: "$inside/data" }
	END
    # Tests of keys and tokens bring accounts of their own, which do not go together with a user for everything.
    extra conf | grep -E '^[[:space:]]*(authorization|accounts|operator)\b' >/dev/null ||
        echo "authorization { user: postrider, password: \"$password\" }" >>"$dir/nats.conf"
}

nats_launch() { launch "$server" --config "$inside/nats.conf"; }

nats_ready() { has_logged 'Server is ready' && listens "$port"; }

nats_end() { kill -TERM "$1"; }

nats_forget() { :; }
