# Raw video -> frames -> detections -> cubes -> teachers -> model -> scores -> metrics -> report.
from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/frames.smk"
include: "rules/detect.smk"
include: "rules/cubes.smk"
include: "rules/teachers.smk"
include: "rules/features.smk"
include: "rules/train.smk"
include: "rules/release.smk"
include: "rules/score.smk"
include: "rules/evaluate.smk"
include: "rules/videos.smk"
include: "rules/watcher.smk"
include: "rules/report.smk"
include: "rules/summary.smk"
include: "rules/ablation.smk"
include: "rules/sensitivity.smk"
include: "rules/images.smk"
include: "rules/protocols.smk"
include: "rules/image_models.smk"


rule all:
    default_target: True
    input:
        expand("results/{dataset}/report.html", dataset=jobs.chosen["datasets"]),


check_targets()


onsuccess:
    if times := stage_times(Path("results"), STARTED):
        print(times)
