# RabbitMQ, for eng/brokers.sh, which says what the variables are.
# shellcheck shell=bash disable=SC2154

rabbitmq_server() { find_server usr/lib/rabbitmq/bin/rabbitmq-server; } # the one in PATH wants to be root

rabbitmq_user() { echo rabbitmq; }

rabbitmq_address() { echo "amqp://postrider:$password@127.0.0.1:$port/"; }

rabbitmq_create() {
    free_port >"$dir/epmd-port"
    free_port >"$dir/dist-port"
    echo '[].' >"$dir/plugins"
    (umask 077 && cat - <(extra conf) >"$dir/rabbitmq.conf") <<-END
		listeners.tcp.1 = 127.0.0.1:$port
		default_user = postrider
		default_pass = $password
		disk_free_limit.absolute = 50MB
		vm_memory_high_watermark.absolute = 2GB
	END
    give_to "$user" "$dir"
    # A node that is killed a few seconds after its very first boot may not boot again: its first tables are not yet on
    # disk. A clean stop puts them there.
    rabbitmq_launch
    stop_broker rabbitmq "$dir"
}

# epmd, by which Erlang's nodes find each other, would otherwise be started by the node, in the background, and outlive
# it. Every node here has one of its own, whose process is known, so that it can be ended together with the node.
rabbitmq_launch() {
    local epmd_port environment
    epmd_port=$(<"$dir/epmd-port")
    environment=(
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME="$inside/data"
        ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$epmd_port" ERL_AFLAGS='-start_epmd false'
        RABBITMQ_NODENAME="postrider-$port@localhost" RABBITMQ_DIST_PORT="$(<"$dir/dist-port")"
        RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_CONFIG_FILE="$inside/rabbitmq"
        RABBITMQ_ADVANCED_CONFIG_FILE="$inside/advanced.config" RABBITMQ_ENABLED_PLUGINS_FILE="$inside/plugins"
        RABBITMQ_MNESIA_BASE="$inside/data" RABBITMQ_GENERATED_CONFIG_DIR="$inside/data"
        RABBITMQ_SCHEMA_DIR="$inside/data" RABBITMQ_LOG_BASE="$inside/data" RABBITMQ_LOGS=-
        # Not every node on the same first processors; no more threads than a test needs.
        RABBITMQ_SCHEDULER_BIND_TYPE=u
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}"
        # The script is to become the server instead of watching over it.
        RUNNING_UNDER_SYSTEMD=true
    )
    in_background rabbitmq-epmd env --ignore-environment "${environment[@]}" /usr/bin/epmd -port "$epmd_port"
    await 10 listens "$epmd_port" || die "epmd of $dir does not get ready on port $epmd_port: $(tail -n 3 "$dir/log")"
    launch env --ignore-environment "${environment[@]}" "$server"
}

# The log tells that the node has done everything; the greeting, that this port leads to it.
rabbitmq_ready() {
    has_logged 'Server startup complete' && [[ $(amqp_greeting 2>/dev/null) == *01 ]]
}

amqp_greeting() ( # the type of the first frame: 01, a method
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'AMQP\0\0\11\1' >&3
    timeout 5 head -c 1 <&3 | od -An -tx1
)

rabbitmq_end() { kill -TERM "$1"; }

rabbitmq_forget() { # DIR: after the node, which would start another one
    local pid
    pid=$(pid_of rabbitmq-epmd "$1") || return 0
    kill -TERM "$pid"
    wait_gone 10 "$pid" || die "epmd of $1 (process $pid) does not stop."
    :
}
