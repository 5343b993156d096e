"""The configuration: checked, completed with defaults, and layered.

Sections are classes, beside the packages they belong to; `sections` puts them together, `layers`
says whose values win, `variants` what an ablation makes of a model, `checks` which names must
fit each other.
"""

from ssmtl.config.checks import check
from ssmtl.config.layers import (
    MODEL_STAGES,
    STAGES,
    dataset,
    defaults,
    image_dataset,
    keys,
    models,
    run,
    schema,
    seeded,
)
from ssmtl.config.options import flags
from ssmtl.config.sections import SECTIONS, Config
from ssmtl.config.variants import (
    Variant,
    ablated_model,
    ablation,
    ablation_plan,
    settings,
    shared,
    variants,
)

__all__ = [
    "MODEL_STAGES",
    "SECTIONS",
    "STAGES",
    "Config",
    "Variant",
    "ablated_model",
    "ablation",
    "ablation_plan",
    "check",
    "dataset",
    "defaults",
    "flags",
    "image_dataset",
    "keys",
    "models",
    "run",
    "schema",
    "seeded",
    "settings",
    "shared",
    "variants",
]
