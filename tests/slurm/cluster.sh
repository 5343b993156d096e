#!/usr/bin/env bash
# A Slurm cluster of one node on this machine, for tests: munge, slurmctld and slurmd with all their
# files in one folder, and a GPU that is declared only. Needs root; nothing is installed.
#
#   cluster.sh start FOLDER     then: export SLURM_CONF=FOLDER/slurm.conf PATH=FOLDER/bin:$PATH
#   cluster.sh stop FOLDER
set -euo pipefail

configure() {
  local port
  port=$(shuf -i 20000-40000 -n 1)
  # A requeued job waits until the credential of its first start has expired, by default two minutes.
  # config_overrides: the node has what is written here, whatever the machine has.
  cat > "$folder/slurm.conf" <<END
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=10
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2
JobRequeue=1
ReturnToService=1
MinJobAge=7200
KillWait=5
MessageTimeout=10
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=localhost CPUs=4 Sockets=1 CoresPerSocket=4 ThreadsPerCore=1 RealMemory=256000 Gres=gpu:1
PartitionName=all Nodes=localhost Default=YES MaxTime=INFINITE State=UP
END
  echo "Name=gpu File=/dev/null" > "$folder/gres.conf"
  # Jobs of Snakemake's plugin call srun without SLURM_CONF.
  printf '#!/bin/sh\nSLURM_CONF=%s exec %s "$@"\n' "$SLURM_CONF" "$(command -v srun)" \
    > "$folder/bin/srun"
  chmod +x "$folder/bin/srun"
  (umask 077; head -c 1024 /dev/urandom > "$folder/munge.key")
}

start() {
  mkdir -p "$folder"/{state,spool,bin}
  configure
  munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
    --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
  slurmctld -f "$folder/slurm.conf"
  slurmd -f "$folder/slurm.conf" -N localhost
  for _ in $(seq 60); do
    [ "$(sinfo --noheader --format %t 2> /dev/null)" = idle ] && return
    sleep 0.5
  done
  tail -n 20 "$folder"/*.log >&2
  echo "cluster.sh: the node is not idle after 30 s; the daemons' last lines are above" >&2
  exit 1
}

stop() {
  local name
  # slurmd would leave running jobs behind.
  scancel --user root --full || true
  for _ in $(seq 60); do
    [ -n "$(squeue --noheader 2> /dev/null)" ] || break
    sleep 0.5
  done
  for name in slurmd slurmctld munged; do
    end "$name"
  done
}

end() {
  local pid
  pid=$(cat "$folder/$1.pid" 2> /dev/null) || return 0
  kill "$pid" || return 0
  while [ -e "/proc/$pid/exe" ]; do sleep 0.1; done
}

folder=$(realpath "${2:?usage: cluster.sh start|stop FOLDER}")
export SLURM_CONF=$folder/slurm.conf
"$1"
