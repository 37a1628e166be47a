#!/usr/bin/env bash
# Inside the root of slurm.sh: starts munge and Slurm, and trains by srun.
set -euo pipefail
ulimit -n 1024
echo '127.0.0.1 localhost node1' > /etc/hosts
mkdir -p /run/munge /var/log/munge /etc/munge /var/spool/slurmctld /var/spool/slurmd /var/log/slurm
[ -s /etc/munge/munge.key ] || dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none
chown -R munge:munge /run/munge /var/log/munge /etc/munge /var/lib/munge && chmod 400 /etc/munge/munge.key
chown slurm /var/spool/slurmctld /var/log/slurm
cat > /etc/slurm/slurm.conf << 'CONF'
ClusterName=test
SlurmctldHost=node1
AuthType=auth/munge
SlurmUser=slurm
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdParameters=config_overrides
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdLogFile=/var/log/slurm/slurmd.log
MpiDefault=none
NodeName=node1 CPUs=8 Boards=1 SocketsPerBoard=1 CoresPerSocket=8 ThreadsPerCore=1 State=UNKNOWN
PartitionName=all Nodes=node1 Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
CONF
echo 'CgroupPlugin=cgroup/v1' > /etc/slurm/cgroup.conf
setpriv --reuid=munge --regid=munge --clear-groups /usr/sbin/munged
for _ in $(seq 1000); do munge -n > /dev/null 2>&1 && break; sleep 0.1; done
slurmctld && slurmd
for _ in $(seq 1000); do sinfo -h -t idle 2> /dev/null | grep -q node1 && break; sleep 0.2; done

cd /w
rm -rf runs && mkdir runs
words=(/w/ebt train --data text.txt --validation text.txt --set model.dim=32 --set model.ffn=64 --set train.batch=4
    --set train.lanes=4 --set train.accumulate=4 --set train.minutes=none --set train.validate_tokens=2000
    --set train.checkpoint_every=10 --threads 1 --quiet)
echo 'srun: the bytes of one rank'
"${words[@]}" --steps 20 --out runs/one > /dev/null
srun --mpi=pmi2 -n 4 "${words[@]}" --steps 20 --out runs/pmi2 > /dev/null
cmp runs/one/checkpoints/step-00000020/state.ebs runs/pmi2/checkpoints/step-00000020/state.ebs
srun --mpi=pmix -n 2 "${words[@]}" --steps 20 --out runs/pmix > /dev/null
cmp runs/one/checkpoints/step-00000020/state.ebs runs/pmix/checkpoints/step-00000020/state.ebs

echo 'srun: without MPI the command that works is said'
EBT_RANK_TIMEOUT=2 srun -n 2 "${words[@]}" --steps 20 --out runs/plain > plain.out 2>&1 && exit 1
grep -qF 'srun --mpi=pmi2 -n 2' plain.out

echo 'srun: a rank is killed, without -K; all end'
# UCX, by which Debian's MPICH sends, aborts its process where it copies from one that is gone, before anything is said
UCX_TLS=^cma srun --mpi=pmi2 -n 3 "${words[@]}" --set train.lanes=3 --set train.accumulate=3 --steps 1000000 --out runs/killed > killed.out 2>&1 &
for _ in $(seq 3000); do [ -n "$(find runs/killed/checkpoints -name 'step-*' 2> /dev/null)" ] && break; sleep 0.1; done
pkill -KILL -n -f '^/w/ebt train'
wait $! && exit 1
grep -E 'error: rank [0-2] \(node1, pid [0-9]+\) ended during [^;]+; the last checkpoint is of step [0-9]+; go on with: ebt train --resume' killed.out

echo 'srun: SIGUSR1 before the limit of time saves'
srun --mpi=pmi2 -n 2 "${words[@]}" --steps 1000000 --out runs/signal > signal.out 2>&1 &
for _ in $(seq 3000); do [ -n "$(find runs/signal/checkpoints -name 'step-*' 2> /dev/null)" ] && break; sleep 0.1; done
scancel --signal=USR1 "$(squeue -h -o %A | head -n 1)"
wait $! && exit 1
grep -q -- '--resume runs/signal' signal.out
