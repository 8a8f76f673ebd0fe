"""Chooses each class's default limit on validation boards: the score at and above which a finding counts.

First each class takes the middle of the scores that give its best F1. Then, where boards without a defect validate, the
finding that is least above its limit on any of them is cut off, again and again, until no more of these boards than the
recipe's `most_overkill` are stopped.
"""

import json
import tomllib
from pathlib import Path

import numpy as np

from .metrics import match
from .recipe import Job

GRID = np.arange(0.10, 0.91, 0.01)


def class_limit(scores: np.ndarray, hits: np.ndarray, truths: int) -> float:
    """The middle of the scores that give the best F1."""
    f1 = []
    for limit in GRID:
        kept = hits[scores >= limit]
        f1.append(2 * kept.sum() / max(1, len(kept) + truths))
    good = GRID[np.asarray(f1) >= max(f1) - 1e-9]
    return float(round((good.min() + good.max()) / 2, 2))


def spare_clean(limits: np.ndarray, clean: list, most: float) -> np.ndarray:
    """Raises limits until at most the share `most` of the findings lists of clean boards has one that counts."""
    limits = limits.copy()
    while True:
        above = [s - limits[l] for _, s, l in clean]
        stopped = [i for i, a in enumerate(above) if (a >= 0).any()]
        if len(stopped) <= most * len(clean):
            return limits
        # A board is free when its last finding is: the cheapest board is that with the lowest greatest excess.
        board = min(stopped, key=lambda i: above[i].max())
        _, scores, labels = clean[board]
        for score, label in zip(scores, labels):
            limits[label] = max(limits[label], np.ceil(score * 100 + 0.5) / 100)


def choose(work: Job, parts: list) -> np.ndarray:
    """Writes RUN/limits.json from (findings, truths, findings on clean references) of each validation part."""
    found = [f for part in parts for f in part[0]]
    truth = [t for part in parts for t in part[1]]
    clean = [f for f, t in zip(found, truth) if not len(t[1])]
    for part in parts:
        for f in part[2] or []:
            found.append(f)
            truth.append((np.zeros((0, 4)), np.zeros(0, np.int64)))
    scores, labels, hits = match(found, truth, 0.33)
    limits = []
    for c in range(len(work.recipe["classes"])):
        truths = sum(int((t[1] == c).sum()) for t in truth)
        limits.append(class_limit(scores[labels == c], hits[labels == c], truths))
    by_f1 = np.asarray(limits)
    limits = spare_clean(by_f1, clean, work.recipe.get("limits", {}).get("most_overkill", 1.0))
    print(f"limits by F1 {by_f1.tolist()}, after sparing {len(clean)} clean boards {limits.tolist()}")
    (work.run / "limits.json").write_text(json.dumps(limits.tolist()) + "\n")
    return limits


def read_limits(folder: Path) -> np.ndarray:
    """The limits chosen before, of a model that was made here (its run's folder) or that ships (its bundle)."""
    path, manifest = folder / "limits.json", folder / "manifest.toml"
    if path.is_file():
        return np.asarray(json.loads(path.read_text()))
    if manifest.is_file():
        return np.asarray([c["default_limit"] for c in tomllib.loads(manifest.read_text())["classes"]])
    raise SystemExit(f"{path} is not there; measure the FP32 file on validation first, which chooses the limits")
