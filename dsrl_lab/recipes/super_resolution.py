"""The four frameworks of super-resolution as recipes."""

from typing import Any

from dsrl_lab.training.config import SuperResolutionRecipe, SuperResolverConfig, TrainConfig


def super_resolution_recipes() -> dict[str, SuperResolutionRecipe]:
    """The four frameworks, x2, by name: ``dsrl-lab train-sisr NAME --data ROOT``, 5 to 60 minutes on 1 CPU core."""

    def of(network: SuperResolverConfig, title: str, target_psnr: float, **train: Any) -> SuperResolutionRecipe:
        every = train.pop("every", 500)
        whole = dict.fromkeys(("record_every", "evaluate_every", "checkpoint_every"), every)
        common = {"batch_size": 4, "optimizer": "adam", "weight_decay": 0.0, "schedule": "cosine", "clip_gradient": 1.0}
        config = TrainConfig(
            input_size=(24, 24), warmup_iterations=100, channels_last=True, **{**common, **whole, **train}
        )
        name = f"super_resolution_{network.network}"
        return SuperResolutionRecipe(name=name, title=title, network=network, train=config, target_psnr=target_psnr)

    espcn, srcnn = SuperResolverConfig(network="espcn"), SuperResolverConfig(network="srcnn")
    lapsrn = SuperResolverConfig(network="lapsrn", loss="charbonnier")
    dbpn = SuperResolverConfig(network="dbpn", stages=2, width=32, loss="charbonnier")
    fast = {"batch_size": 16, "precision": "bf16-mixed", "every": 1000}
    recipes = (
        of(espcn, "ESPCN (post-upsampling)", 36.4, iterations=40_000, learning_rate=1e-3, **fast),
        of(srcnn, "SRCNN (pre-upsampling)", 36.2, iterations=8_000, learning_rate=1e-3),
        of(lapsrn, "LapSRN (progressive)", 36.9, iterations=10_000, learning_rate=5e-4),
        of(dbpn, "DBPN, T = 2, width 32 (iterative up-and-down)", 37.2, iterations=12_000, learning_rate=5e-4),
    )
    return {recipe.name: recipe for recipe in recipes}


def find_super_resolution_recipe(name: str) -> SuperResolutionRecipe:
    """Look a super-resolution recipe up by its name; a ValueError for an unknown one lists them."""
    recipes = super_resolution_recipes()
    if name not in recipes:
        raise ValueError(f"unknown recipe {name!r}; choose one of {', '.join(recipes)}")
    return recipes[name]
