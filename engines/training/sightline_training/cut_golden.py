"""Cuts a verifier's golden pictures out of its detector's golden boards: two findings of each board, and a clean spot."""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from .crops import clean_box, window
from .prepare import read_grey


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("boards", type=Path, help="golden folder of the detector's bundle")
    p.add_argument("out", type=Path, help="golden folder of the verifier's bundle")
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    count = 0
    for expected in sorted(args.boards.glob("*.json")):
        picture = read_grey(expected.with_suffix(".png"))
        reference = read_grey(expected.with_name(f"{expected.stem}-reference.png"))
        found = [d["bbox_px"] for d in json.loads(expected.read_text())["detections"]]
        boxes = np.array([[b["x"], b["y"], b["x"] + b["w"], b["y"] + b["h"]] for b in found]).reshape(-1, 4)
        spots = [*boxes[:2], clean_box(boxes, picture.shape, np.random.default_rng(count))]
        for box in (b for b in spots if b is not None):
            count += 1
            left, top, side = window(box, picture.shape)
            for plane, name in ((picture, f"crop-{count}.png"), (reference, f"crop-{count}-reference.png")):
                piece = Image.fromarray(plane[top : top + side, left : left + side])
                piece.save(args.out / name, optimize=True)


if __name__ == "__main__":
    main()
