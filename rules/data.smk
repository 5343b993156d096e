# A data set's files, and the manifest of its clips.


rule scenes:
    output:
        "data/{dataset}/scenes.json",
    log:
        "results/{dataset}/logs/scenes.log",
    conda:
        "../envs/ssmtl.yaml"
    threads: 16
    resources:
        **jobs.limits("scenes"),
    params:
        # The options of the data set are those of the command.
        options=jobs.scenes_options,
        code=jobs.code("scenes"),
    shell:
        "python -m ssmtl scenes data/{wildcards.dataset:q} {params.options} --jobs {threads}"
        " 2>&1 | tee {log:q}"


rule fetch:
    output:
        "data/{dataset}/fetched.json",
    log:
        "results/{dataset}/logs/fetch.log",
    localrule: True
    conda:
        "../envs/ssmtl.yaml"
    params:
        reader=jobs.reader,
    shell:
        "python -m ssmtl fetch {output:q} --reader {params.reader:q} 2>&1 | tee {log:q}"


rule clips:
    # A shard's own rows of the manifest: a clip or a label elsewhere must not touch the shard.
    input:
        jobs.scenes_file,
    output:
        f"{paths.SHARD}/clips.csv",
    log:
        "results/{dataset}/logs/clips_{split}_{shard}.log",
    localrule: True
    conda:
        "../envs/ssmtl.yaml"
    params:
        options=jobs.clips_options,
        clips=jobs.sources,
        code=jobs.code("clips"),
    shell:
        "python -m ssmtl manifest {output:q} --dataset {wildcards.dataset:q} --split {wildcards.split:q}"
        " --shard {wildcards.shard:q} {params.options} 2>&1 | tee {log:q}"


rule manifest:
    input:
        jobs.scenes_file,
    output:
        "results/{dataset}/manifest.csv",
    log:
        "results/{dataset}/logs/manifest.log",
    # It says at once whether the data set is complete.
    priority: 100
    localrule: True
    conda:
        "../envs/ssmtl.yaml"
    params:
        options=jobs.manifest_options,
        clips=jobs.labels,
        code=jobs.code("manifest"),
    shell:
        "python -m ssmtl manifest {output:q} --dataset {wildcards.dataset:q} {params.options}"
        " 2>&1 | tee {log:q}"
