"""Runs through the Slurm profile, on a cluster of one node that the tests start."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import stopper
from toy import CODE, CONFIG, ROOT, TRAIN, Project

PATIENCE = 600  # seconds
SHARD = "results/toy/data/train/0"
RUN = "results/toy/models/tiny/seed0"
GPU_STAGES = {"detect", "teachers", "train", "calibrate", "score"}

# The test cluster has no accounting database, and what runs on it takes seconds.
PROFILE = ("--workflow-profile", "workflow/profiles/slurm")
HERE = ("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1")

ONE_SHARD = {**CONFIG, "datasets": {"toy": {**CONFIG["datasets"]["toy"], "shards": {"test": 1}}}}


class Run:
    """Snakemake in a project, in the background; what it says goes to the file `output`."""

    def __init__(self, folder: Path, *arguments: str):
        self.folder = folder
        with open(folder / "output", "w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", *arguments],
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def output(self) -> str:
        return (self.folder / "output").read_text()

    def wait_for(self, condition, what: str):
        """What `condition` returns once it is true, while the run goes on."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if result := condition():
                return result
            assert self.process.poll() is None, self.output()
            time.sleep(0.2)
        raise AssertionError(f"{what}: not within {PATIENCE} s\n{self.output()}")

    def status(self, patience: int = PATIENCE) -> int:
        """The exit status, once the run has ended."""
        return self.process.wait(patience)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()


def on_cluster(folder: Path, *arguments: str) -> Run:
    return Run(folder, *PROFILE, *HERE, *arguments)


def scontrol(*words: str) -> str:
    command = ["scontrol", "--oneliner", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def jobs(folder: Path) -> list[dict[str, str]]:
    """What Slurm knows of a project's jobs, those that have ended among them."""
    records = [
        dict(re.findall(r"(\S+?)=(\S*)", line)) for line in scontrol("show", "job").splitlines()
    ]
    return [record for record in records if record.get("WorkDir") == str(folder)]


def rule_of(job: dict[str, str]) -> str:
    return re.match(r"rule_([a-z_]+?)(_wildcards|$)", job["Comment"])[1]


def jobs_of(folder: Path, rule: str) -> list[dict[str, str]]:
    return [job for job in jobs(folder) if rule_of(job) == rule]


def asked_for_gpu(job: dict[str, str]) -> bool:
    return re.search(r"gres[:/]gpu[:=]1$", job.get("TresPerJob", "")) is not None


def check_gpus(folder: Path) -> None:
    """The GPU stages asked for a GPU, and no other stage did."""
    found = jobs(folder)
    assert {rule_of(job) for job in found} >= GPU_STAGES
    for job in found:
        assert asked_for_gpu(job) == (rule_of(job) in GPU_STAGES), job


def files(folder: Path) -> dict[str, bytes]:
    """All results but logs and times, hidden files among them."""
    root = folder / "results/toy"
    found = {path.relative_to(root): path for path in root.rglob("*") if path.is_file()}
    return {
        str(name): path.read_bytes()
        for name, path in found.items()
        if name.parts[0] not in ("logs", "benchmarks")
    }


def stop_at(folder: Path, part: str, count: int) -> None:
    """Makes the next job that gets there stop itself: tests/workflow/stopper.py."""
    (folder / "workflow/stop_plan").write_text(f"{part} {count}")


def stopped(folder: Path) -> bool:
    """Whether a job of the project has stopped itself."""
    processes = psutil.process_iter(["cwd", "status"])
    return any(p.info["cwd"] == str(folder) and p.info["status"] == "stopped" for p in processes)


def of_training(folder: Path, rule: str) -> dict[str, str]:
    """The one job of a rule for the training shard."""
    (job,) = (job for job in jobs_of(folder, rule) if "train" in job["Comment"])
    return job


def kill_three_jobs(run: Run) -> None:
    """One is requeued, one loses its node, and one, in training, stands still until its limit."""
    folder = run.folder
    stop_at(folder, "train/0/.parts/detections.h5/", 2)
    run.wait_for(lambda: stopped(folder), "detect stops")
    stop_at(folder, "train/0/.parts/cubes.h5/", 2)
    scontrol("requeue", of_training(folder, "detect")["JobId"])
    run.wait_for(lambda: not stopped(folder), "detect is killed")

    run.wait_for(lambda: stopped(folder), "cubes stops")
    stop_at(folder, f"{RUN}/.state/state.pt", 3)
    scontrol("update", "NodeName=localhost", "State=DOWN", "Reason=test")
    run.wait_for(lambda: not stopped(folder), "cubes is killed")
    scontrol("update", "NodeName=localhost", "State=RESUME")

    run.wait_for(lambda: stopped(folder), "train stops")


def test_killed_jobs_go_on_and_end_with_the_same_files(cluster, tmp_path):
    local, folder = tmp_path / "local", tmp_path / "cluster"
    for place in (local, folder):
        Project.make(place, ONE_SHARD)
    shutil.copy(stopper.__file__, folder / "workflow/sitecustomize.py")
    # One minute, the least that Slurm knows, then three.
    options = ("--max-threads", "1", "--set-resources", "train:runtime=2*attempt-1")
    target = ("--", f"{RUN}/metrics.json")
    with (
        Run(local, "--cores", "1", *target) as undisturbed,
        on_cluster(folder, *options, *target) as run,
    ):
        kill_three_jobs(run)
        assert run.status() == 0, run.output()
        assert undisturbed.status() == 0, undisturbed.output()

    first, second = jobs_of(folder, "train")
    assert (first["JobState"], first["TimeLimit"]) == ("TIMEOUT", "00:01:00")
    assert (second["JobState"], second["TimeLimit"]) == ("COMPLETED", "00:03:00")
    for rule in ("detect", "cubes"):
        job = of_training(folder, rule)
        assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1")
    for log, line in (
        ("detect_train_0", f"clip {TRAIN[0]} is finished already"),
        ("cubes_train_0", f"clip {TRAIN[0]} is finished already"),
        ("train_tiny_0", "resuming at step 4 of"),
    ):
        assert line in (folder / f"results/toy/logs/{log}.log").read_text()
    check_gpus(folder)
    expected, found = files(local), files(folder)
    assert found.keys() == expected.keys()
    assert not [name for name in expected if found[name] != expected[name]]


def test_a_job_beyond_its_memory_is_tried_again_with_more(cluster, tmp_path):
    folder = tmp_path / "project"
    Project.make(folder, ONE_SHARD)
    # Python alone is larger than the first request.
    memory = "frames:mem_mb=20*200**(attempt-1)"
    target = f"{SHARD}/frames.h5"
    with on_cluster(folder, "--set-resources", memory, "--", target) as run:
        assert run.status() == 0, run.output()
    first, second = jobs_of(folder, "frames")
    assert first["JobState"] != "COMPLETED" and first["MinMemoryNode"] == "20M"
    assert second["JobState"] == "COMPLETED" and second["MinMemoryNode"] == "4000M"
    assert (folder / target).exists()


def test_bad_input_is_tried_again_a_few_times_and_named(cluster, tmp_path):
    folder = tmp_path / "project"
    Project.make(folder, ONE_SHARD)
    (folder / "data/toy/train/b/007.png").write_bytes(b"no picture")
    with on_cluster(folder, "--retries", "1", "--", f"{SHARD}/frames.h5") as run:
        assert run.status() != 0
    assert [job["JobState"] for job in jobs_of(folder, "frames")] == ["FAILED", "FAILED"]
    message = r"data/toy/train/b/007.png: .+"
    (log,) = re.findall(message, (folder / "results/toy/logs/frames_train_0.log").read_text())
    assert log in run.output()


def test_demo(cluster, tmp_path):
    for name in (*CODE, "config.yaml"):
        source = ROOT / name
        (shutil.copy if source.is_file() else shutil.copytree)(source, tmp_path / name)
    cores = str(os.cpu_count())
    with on_cluster(tmp_path, "--max-threads", cores, "--", "results/demo/report.html") as run:
        assert run.status(patience=3600) == 0, run.output()
    check_gpus(tmp_path)
    assert (tmp_path / "results/demo/report.html").stat().st_size > 10_000
