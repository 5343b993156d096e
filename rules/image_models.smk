# The trainer and the scorer of video, on pictures: cubes of one frame, without teachers. A protocol
# asks for many small models, so each takes one core; without a GPU as many run at once as there are,
# and `--resources gpu=8` has eight of them share a GPU.


use rule train as train_images with:
    input:
        cubes=paths.own_images("train"),
        teachers=[],
        features=jobs.image_features("train"),
    output:
        model=f"{paths.IMAGE_RUN}/model.safetensors",
        card=f"{paths.IMAGE_RUN}/model.json",
        history=f"{paths.IMAGE_RUN}/history.csv",
    log:
        "results/{imageset}/logs/train_{normal}_{model}_{seed}.log",
    benchmark:
        "results/{imageset}/benchmarks/train_{normal}_{model}_{seed}.tsv"
    threads: 1
    params:
        options=jobs.picture_options("train"),
        code=jobs.code("train"),
        state=f"{paths.IMAGE_RUN}/.state",
        folder=paths.IMAGE_RUN,


use rule calibrate as calibrate_images with:
    input:
        model=f"{paths.IMAGE_RUN}/model.safetensors",
        cubes=paths.own_images("train"),
        teachers=[],
        features=jobs.image_features("train"),
    output:
        f"{paths.IMAGE_RUN}/calibration.h5",
    log:
        "results/{imageset}/logs/calibrate_{normal}_{model}_{seed}.log",
    benchmark:
        "results/{imageset}/benchmarks/calibrate_{normal}_{model}_{seed}.tsv"
    threads: 1
    params:
        options=jobs.picture_options("score"),
        code=jobs.code("calibrate"),


use rule score as score_images with:
    input:
        model=f"{paths.IMAGE_RUN}/model.safetensors",
        calibration=jobs.image_calibration,
        cubes=paths.IMAGES.replace("{split}", "test"),
        teachers=[],
        features=jobs.image_features("test"),
    output:
        f"{paths.IMAGE_RUN}/scores/{{source}}.h5",
    log:
        "results/{imageset}/logs/score_{normal}_{model}_{seed}_{source}.log",
    benchmark:
        "results/{imageset}/benchmarks/score_{normal}_{model}_{seed}_{source}.tsv"
    threads: 1
    params:
        options=jobs.options("score"),
        code=jobs.code("score"),
