# The trainer and the scorer of video, on pictures: cubes of one frame, without teachers. A protocol
# asks for many small models, so each takes one core; without a GPU as many run at once as there are.


use rule train as train_images with:
    input:
        cubes=own_images("train"),
        teachers=[],
    output:
        model=f"{IMAGE_RUN}/model.safetensors",
        card=f"{IMAGE_RUN}/model.json",
        history=f"{IMAGE_RUN}/history.csv",
    log:
        "results/{imageset}/logs/train_{normal}_{model}_{seed}.log",
    benchmark:
        "results/{imageset}/benchmarks/train_{normal}_{model}_{seed}.tsv"
    threads: 1
    params:
        options=picture_options("train"),
        code=code("train"),
        state=f"{IMAGE_RUN}/.state",
        folder=IMAGE_RUN,


use rule calibrate as calibrate_images with:
    input:
        model=f"{IMAGE_RUN}/model.safetensors",
        cubes=own_images("train"),
        teachers=[],
    output:
        f"{IMAGE_RUN}/calibration.h5",
    log:
        "results/{imageset}/logs/calibrate_{normal}_{model}_{seed}.log",
    benchmark:
        "results/{imageset}/benchmarks/calibrate_{normal}_{model}_{seed}.tsv"
    threads: 1
    params:
        options=picture_options("score"),
        code=code("calibrate"),


use rule score as score_images with:
    input:
        model=f"{IMAGE_RUN}/model.safetensors",
        calibration=image_calibration,
        cubes="results/{imageset}/data/{source}/test/images.h5",
        teachers=[],
    output:
        f"{IMAGE_RUN}/scores/{{source}}.h5",
    log:
        "results/{imageset}/logs/score_{normal}_{model}_{seed}_{source}.log",
    benchmark:
        "results/{imageset}/benchmarks/score_{normal}_{model}_{seed}_{source}.tsv"
    threads: 1
    params:
        options=options("score"),
        code=code("score"),
