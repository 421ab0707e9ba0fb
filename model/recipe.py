"""Training recipes: `release` for the released network, `sprint` for a good one in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of a training run (`training`)."""

    epochs: float  # passes over MNIST
    batch: dict[str, int]  # images per step, by source
    distortion: tuple[float, float]  # strength of `augment.augment` at the start and at the end
    peak_rate: float  # highest learning rate
    dropout: float


RELEASE = Recipe(
    epochs=12.5,
    batch={"mnist": 100, "rescanned": 8, "written": 12, "signs": 5, "scribbles": 3},
    distortion=(0.7, 0.2),
    peak_rate=0.002,
    dropout=0.5,
)
SPRINT = Recipe(
    epochs=0.8, batch={"mnist": 128}, distortion=(0.3, 0.3), peak_rate=0.006, dropout=0.3
)
RECIPES = {"release": RELEASE, "sprint": SPRINT}
