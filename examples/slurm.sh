#!/bin/bash
# One run filled by the jobs of an array, a GPU each; every job may be lost, none waits for another.
#
#   sbatch --array=1-8 examples/slurm.sh
#   sbatch --dependency=singleton examples/slurm.sh     # afterwards: what is left, and the report
#
# The folder must be one that all machines share and that has locks: see docs/executors.md.
#SBATCH --job-name=forgerybench
#SBATCH --gpus=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=48G
#SBATCH --time=12:00:00
#SBATCH --requeue
# Two minutes before the end of its time a job is told to stop: training states are saved by then.
#SBATCH --signal=TERM@120

set -eo pipefail

SHARED=${SHARED:-$HOME/forgerybench}
PROTOCOL=${PROTOCOL:-cross-generator}
DETECTORS=${DETECTORS:-mfclip,xception,clip-linear}

shard=()
if [[ -n ${SLURM_ARRAY_TASK_ID:-} ]]; then
    # Arrays may begin at any number; --shard counts from 1.
    shard=(--shard "$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN + 1))/$SLURM_ARRAY_TASK_COUNT")
fi

# The number of threads is part of what a run must be gone on with, so it is said. exec, so that
# the signal reaches the command.
exec forgerybench run "$PROTOCOL" \
    --data "$SHARED/faces/manifest.parquet" \
    --detectors "$DETECTORS" --size base \
    --store "$SHARED/models" --out "$SHARED/runs/faces" \
    --threads 8 "${shard[@]}"
