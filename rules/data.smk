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
        **limits("scenes"),
    params:
        # The options of the data set are those of the command.
        options=lambda w: settings_tree.flags(dataset(w.dataset)["options"]),
        code=code("scenes"),
    shell:
        "python -m ssmtl scenes data/{wildcards.dataset} {params.options} --jobs {threads}"
        " 2>&1 | tee {log}"


rule fetch:
    output:
        "data/{dataset}/fetched.json",
    log:
        "results/{dataset}/logs/fetch.log",
    localrule: True
    conda:
        "../envs/ssmtl.yaml"
    params:
        reader=lambda w: dataset(w.dataset)["reader"],
    shell:
        "python -m ssmtl fetch {output} --reader {params.reader} 2>&1 | tee {log}"


rule clips:
    # A shard's own rows of the manifest: a clip or a label elsewhere must not touch the shard.
    input:
        scenes_file,
    output:
        f"{SHARD}/clips.csv",
    log:
        "results/{dataset}/logs/clips_{split}_{shard}.log",
    localrule: True
    conda:
        "../envs/ssmtl.yaml"
    params:
        options=clips_options,
        clips=sources,
        code=clips_code,
    shell:
        "python -m ssmtl manifest {output} --dataset {wildcards.dataset} --split {wildcards.split}"
        " --shard {wildcards.shard} {params.options} 2>&1 | tee {log}"


rule manifest:
    input:
        scenes_file,
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
        options=manifest_options,
        clips=labels,
        code=manifest_code,
    shell:
        "python -m ssmtl manifest {output} --dataset {wildcards.dataset} {params.options}"
        " 2>&1 | tee {log}"
