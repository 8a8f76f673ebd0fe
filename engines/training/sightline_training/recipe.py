"""Reads a recipe (recipes/NAME.toml) and resolves the folders it works in."""

import argparse
import tomllib
from dataclasses import dataclass
from pathlib import Path

RECIPES = Path(__file__).resolve().parent.parent / "recipes"


@dataclass
class Job:
    """One recipe with the folders given on the command line."""

    name: str
    recipe: dict
    data: Path
    work: Path

    @property
    def run(self) -> Path:
        """Folder of this model's checkpoints and exports."""
        path = self.work / self.name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def checkpoint(self, again: bool, everything: bool) -> Path:
        """Where a training's weights are kept: the second one's, those that saw everything."""
        return self.run / {(False, False): "last.pt", (False, True): "all.pt",
                           (True, False): "again.pt", (True, True): "again-all.pt"}[again, everything]

    def exports(self, everything: bool) -> Path:
        """Folder of the exported files: of the training that held validation out, or of that on everything."""
        path = self.run / "all" if everything else self.run
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def suppression(self) -> dict:
        """How `findings` makes one of several boxes of a class: the IoU above which they are one, and whether they merge."""
        decoder = self.recipe.get("decoder", {})
        return {"iou": decoder.get("iou_threshold", 0.5), "merge": decoder.get("merge", False)}

    def path(self, text: str) -> Path:
        """A recipe's path: inside the data folder, or inside the work folder if it begins with `work:`."""
        return self.work / text[5:] if text.startswith("work:") else self.data / text

    def picture(self, training: bool = False) -> tuple[int, int, int]:
        """Planes, height and width of the prepared pictures; crops are cut from [board] where a recipe has one. A training
        may see them larger than the input is (`picture` in [train])."""
        size = self.recipe.get("board", self.recipe["input"])
        side = self.recipe["train"].get("picture") if training else None
        return len(self.recipe["input"]["channels"]), side or size["height"], side or size["width"]

    def prepared(self, source: dict, training: bool = False) -> Path:
        """Folder of one prepared data set (see prepare.py)."""
        return self.work / "prepared" / "-".join([source["name"], "x".join(map(str, self.picture(training)))])


def parser(description: str) -> argparse.ArgumentParser:
    """The arguments every step shares."""
    p = argparse.ArgumentParser(description=description)
    p.add_argument("model", help="name of a recipe in recipes/, such as pcb-detector")
    p.add_argument("--data", type=Path, required=True, help="folder that holds the data sets' folders")
    p.add_argument("--work", type=Path, default=Path(".sightline/training"), help="checkpoints, caches and exports")
    p.add_argument("--threads", type=int, default=0, help="CPU threads (0: torch's own choice)")
    return p


def exports_parser(description: str) -> argparse.ArgumentParser:
    """The arguments of the steps between training and bundle."""
    p = parser(description)
    p.add_argument("--all", action="store_true", help="of the training on what validates too (train --all)")
    return p


def named(name: str, data: Path, work: Path) -> Job:
    """The job of a recipe by its name."""
    path = RECIPES / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in RECIPES.glob("*.toml")))
        raise SystemExit(f"no recipe '{name}' in {RECIPES}; there are: {known}")
    return Job(name, tomllib.loads(path.read_text()), data, work)


def job(args: argparse.Namespace) -> Job:
    """The job that `parser`'s arguments describe."""
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)
    return named(args.model, args.data, args.work)
