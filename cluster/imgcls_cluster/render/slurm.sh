#!/bin/bash
@@{directives}
#
@@{comments}
# sbatch FILE; the same again continues the run. @@{seconds} s before the time limit the launch gets SIGTERM and
# writes a checkpoint; then the job is queued again, and continues.

# shellcheck disable=SC2317  # some functions are called by traps, or on other nodes
set -o pipefail

fail() {
    echo "imgcls: $*" >&2
    exit 1
}

# what every node does first
prepare() {
@@{setup}
}

# the address of this node in the network that Ray and the all-reduce use
own_address() {
    if [ -n "$IMGCLS_INTERFACE" ]; then
        ip -4 -o address show dev "$IMGCLS_INTERFACE" | awk '{ sub("/.*", "", $4); print $4; exit }'
    else
        { getent ahostsv4 "$(hostname)"; hostname -I | tr ' ' '\n'; } |
            awk '$1 ~ /^[0-9.]+$/ && $1 !~ /^127\./ { print $1; exit }'
    fi
}

# Ray on one node, in a folder of this job's own, until it is told to end; the token comes by standard input
ray_node() {
    local role=$1 folder=$2 ray='' ending='' tenth
    shift 2
    set -m  # a process group of its own for what is started: Ray's agents may outlive it
    prepare
    export RAY_AUTH_TOKEN_PATH=$folder/token
    rm -rf -- "$folder"
    (umask 077 && mkdir -- "$folder" && cat > "$folder/token") || exit 1
    trap 'ending=yes; kill "$ray" 2> /dev/null' TERM USR1
    if [ "$role" = worker ] && [ -n "$IMGCLS_INTERFACE" ]; then
        set -- "--node-ip-address=$(own_address)" "$@"
    fi
    while [ -z "$ending" ]; do
        ray start --block "--temp-dir=$folder" "$@" < /dev/null &
        ray=$!
        wait "$ray"
        echo "Ray ended with code $?"
        [ -z "$ending" ] || break
        kill -KILL -- "-$ray" 2> /dev/null
        # a raylet that was cut off ends itself, and joins anew
        [ "$role" = worker ] || break
        sleep 5
    done
    for ((tenth = 0; tenth < 150; tenth++)); do
        kill -0 "$ray" 2> /dev/null || break
        sleep 0.1
    done
    kill -KILL -- "-$ray" 2> /dev/null
    wait
    rm -rf -- "$folder" || { sleep 2 && rm -rf -- "$folder"; }
}

# start Ray on a node, and wait until it runs
start_node() {
    local node=$1 role=$2 log=$work/$1.log pid ended
    shift 2
    : > "$log"
    srun --overlap --nodes=1 --ntasks=1 --cpus-per-task=@@{cpus} --nodelist="$node" \
        bash -c "$(declare -f prepare own_address ray_node); ray_node \"\$@\"" ray_node \
        "$role" "$folder.${#steps[@]}" "$@" \
        < "$work/token" >> "$log" 2>&1 &
    pid=$!
    steps+=("$pid")
    until grep -q 'Ray runtime started' "$log" 2> /dev/null; do
        [ -z "$told" ] || return
        ended=$(grep -c '^Ray ended' "$log" 2> /dev/null)
        # a node that is busy may need another try
        if [ "$SECONDS" -gt @@{start_seconds} ] || ! kill -0 "$pid" 2> /dev/null || [ "$ended" -ge 3 ]; then
            tail -n 20 "$log" >&2
            fail "Ray did not start on $node"
        fi
        sleep 0.5
    done
}

end_all() {
    local half
    # srun hands this signal on; at SIGTERM it would kill
    kill -USR1 "${steps[@]}" 2> /dev/null
    for ((half = 0; half < 60; half++)); do
        kill -0 "${steps[@]}" 2> /dev/null || break
        sleep 0.5
    done
    kill -KILL "${steps[@]}" 2> /dev/null
    wait
    rm -rf -- "$work"
}

told_to_stop() {
    told=yes interrupted=yes
    [ -z "$launch" ] || kill -TERM "$launch" 2> /dev/null
}

# also where a signal comes meanwhile
wait_for_launch() {
    while true; do
        interrupted=''
        wait "$launch"
        code=$?
        [ -n "$interrupted" ] || return
    done
}

steps=()
launch='' told='' interrupted='' code=75
trap told_to_stop TERM
prepare
command -v imgcls > /dev/null ||
    fail "imgcls is not on the PATH; render with --option setup='[\"source VENV/bin/activate\"]'"

work=$(mktemp -d) || fail "there is no room for temporary files"
trap end_all EXIT
cat > "$work/recipe.toml" << '@@{end}'
@@{recipe}
@@{end}
(umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' > "$work/token") || fail "no token could be made"

@@{environment}
export IMGCLS_INTERFACE=@@{interface}
export IMGCLS_COMMAND="sbatch FILE, where the job is not queued again by itself"
# on each node with its number; short, for Linux allows a socket's path 107 letters
folder=/tmp/imgcls-$SLURM_JOB_ID
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$folder.0/token
unset RAY_ADDRESS RAY_AUTH_TOKEN RAY_TMPDIR

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
[ "${#nodes[@]}" -gt 0 ] || fail "Slurm names no node of this job"
head=${SLURMD_NODENAME:-${nodes[0]}}
host=$(own_address)
[ -n "$host" ] || [ "${#nodes[@]}" -gt 1 ] || host=127.0.0.1
[ -n "$host" ] || fail "$head has no address but its own; render with --option interface=NAME"
# three ports that other jobs on this node do not use
port=$((20000 + SLURM_JOB_ID % 4000 * 3))
address=$host:$port
resources=(--num-cpus=@@{cpus} --num-gpus=@@{gpus} @@{ray_start} "--dashboard-agent-listen-port=$((port + 1))")

start_node "$head" head --head "--node-ip-address=$host" "--port=$port" "--ray-client-server-port=$((port + 2))" \
    --include-dashboard=false "${resources[@]}"
for node in "${nodes[@]}"; do
    [ "$node" = "$head" ] || start_node "$node" worker "--address=$address" "${resources[@]}"
done

if [ -z "$told" ] && imgcls cluster wait @@{fewest} --address "$address" --seconds @@{start_seconds}; then
    @@{launch} &
    launch=$!
    [ -z "$told" ] || kill -TERM "$launch"
    wait_for_launch
    # told to stop before it could listen
    [ -z "$told" ] || [ "$code" -ne 143 ] || code=75
elif [ -z "$told" ]; then
    code=1
fi

end_all
trap - EXIT
state=$(scontrol show job "$SLURM_JOB_ID" | grep -o 'JobState=[A-Z]*')
if [ "$code" -eq 75 ] && [ "$state" = JobState=RUNNING ] && [ "${SLURM_RESTART_COUNT:-0}" -lt @@{requeues} ]; then
    echo "imgcls: queued again; it continues then"
    scontrol requeue "$SLURM_JOB_ID" && exit 0
fi
exit "$code"
