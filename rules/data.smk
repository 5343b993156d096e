# A data set's files, and the manifest of its clips.


rule scenes:
    output:
        "data/{dataset}/scenes.json",
    params:
        seed=lambda w: dataset(w.dataset)["options"]["seed"],
        role=lambda w: dataset(w.dataset)["options"]["split_role"],
        train=lambda w: dataset(w.dataset)["options"]["train_clips"],
        test=lambda w: dataset(w.dataset)["options"]["test_clips"],
        frames=lambda w: dataset(w.dataset)["options"]["frames"],
        code=code("scenes"),
    threads: 16
    conda:
        "../envs/ssmtl.yaml"
    log:
        "results/{dataset}/logs/scenes.log",
    shell:
        "python -m ssmtl scenes data/{wildcards.dataset} --seed {params.seed}"
        " --split-role {params.role} --train-clips {params.train} --test-clips {params.test}"
        " --frames {params.frames} --jobs {threads} 2>&1 | tee {log}"


rule fetch:
    output:
        "data/{dataset}/fetched.json",
    params:
        reader=lambda w: dataset(w.dataset)["reader"],
    localrule: True
    conda:
        "../envs/ssmtl.yaml"
    log:
        "results/{dataset}/logs/fetch.log",
    shell:
        "python -m ssmtl fetch {output} --reader {params.reader} 2>&1 | tee {log}"


def manifest_digest(wildcards):
    """What the manifest is made of beside its settings: the clips and their labels."""
    if is_rendered(wildcards.dataset):
        return ""
    clips = listing(wildcards.dataset)
    return store.digest(readers.listing_digest(clips), readers.labels_digest(clips))


def manifest_options(wildcards):
    data = dataset(wildcards.dataset)
    values = {
        "reader": data["reader"],
        "path": data["path"],
        "options": json.dumps(data["options"], sort_keys=True),
        "exclude": data["exclude"],
        "train_shards": data["shards"]["train"],
        "test_shards": data["shards"]["test"],
        "allow_partial": data["allow_partial"],
        "fps": data["fps"],
    }
    if "expected_frames" in data:
        values["expected_frames"] = json.dumps(data["expected_frames"], sort_keys=True)
    return settings_tree.flags(values)


rule manifest:
    input:
        lambda w: f"data/{w.dataset}/scenes.json" if is_rendered(w.dataset) else [],
    output:
        "results/{dataset}/manifest.csv",
    params:
        options=manifest_options,
        clips=manifest_digest,
        code=lambda w: code_digest(
            "ssmtl.manifest", f"ssmtl.datasets.{dataset(w.dataset)['reader']}"
        ),
    localrule: True
    conda:
        "../envs/ssmtl.yaml"
    log:
        "results/{dataset}/logs/manifest.log",
    shell:
        "python -m ssmtl manifest {output} --dataset {wildcards.dataset} {params.options}"
        " 2>&1 | tee {log}"
