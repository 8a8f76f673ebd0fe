"""Reads what prepare.py wrote."""

import json

import numpy as np

from .recipe import Job


def load(work: Job, source: dict) -> tuple[np.ndarray, list[dict]]:
    """Pictures u8 [N, C, H, W] (memory-mapped) and their truths."""
    folder = work.prepared(source)
    if not (folder / "truth.json").is_file():
        raise SystemExit(f"{folder} is not prepared; run: python -m sightline_training.prepare {work.name} --data …")
    truth = json.loads((folder / "truth.json").read_text())
    return np.load(folder / "pictures.npy", mmap_mode="r"), truth["images"]


def truth_of(image: dict) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [T, 4] and labels [T] of one picture."""
    return np.asarray(image["boxes"], np.float64).reshape(-1, 4), np.asarray(image["labels"], np.int64)


def validation_rows(work: Job, source: dict, images: list[dict]) -> set[int]:
    """Rows held out of training, by board: the same board is never on both sides."""
    groups = set(source.get("validation_groups", []))
    return {i for i, image in enumerate(images) if image["group"] in groups}
