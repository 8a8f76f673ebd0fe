"""Reads what prepare.py wrote."""

import json
import re

import numpy as np

from .recipe import Job


def load(work: Job, source: dict, training: bool = False) -> tuple[np.ndarray, list[dict]]:
    """Pictures u8 [N, C, H, W] (memory-mapped), as the network will see them or as the training does, and their truths."""
    folder = work.prepared(source, training)
    if not (folder / "truth.json").is_file():
        raise SystemExit(f"{folder} is not prepared; run: python -m sightline_training.prepare {work.name} --data …")
    truth = json.loads((folder / "truth.json").read_text())
    return np.load(folder / "pictures.npy", mmap_mode="r"), truth["images"]


def truth_of(image: dict) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [T, 4] and labels [T] of one picture."""
    return np.asarray(image["boxes"], np.float64).reshape(-1, 4), np.asarray(image["labels"], np.int64)


def validation_rows(work: Job, source: dict, images: list[dict]) -> set[int]:
    """Rows held out of training. By board where the data names boards: the same board is never on both sides; by
    blocks of the numbers in the files' names where it does not, because neighbours may show the same strip."""
    role = source.get("role", "train")
    if role != "train":
        return set(range(len(images))) if role == "validation" else set()
    groups = set(source.get("validation_groups", []))
    held = {i for i, image in enumerate(images) if image["group"] in groups}
    blocks = source.get("validation_blocks")
    if blocks is not None:
        last = blocks["every"] - 1
        block = [(number_of(image["file_name"]) - 1) // blocks["size"] for image in images]
        held |= {i for i, b in enumerate(block) if b % blocks["every"] == last}
    return held


def of_role(work: Job, role: str):
    """Sources with pictures, truths and rows that belong to a role: what validates, or all of a source of another role."""
    for source in work.recipe["source"]:
        own = source.get("role", "train")
        if own != role and (role != "validation" or own != "train"):
            continue
        pictures, images = load(work, source)
        rows = sorted(validation_rows(work, source, images)) if role == "validation" else list(range(len(images)))
        if rows:
            yield source, pictures, images, rows


def number_of(file_name: str) -> int:
    """The number a file's name ends in: 17 of `scratches_17.jpg`."""
    found = re.search(r"(\d+)\.\w+$", file_name)
    if found is None:
        raise SystemExit(f"{file_name}: expected a number before the extension, as in scratches_17.jpg")
    return int(found.group(1))
