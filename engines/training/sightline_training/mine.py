"""Collects what a detector wrongly calls a defect, for its verifier to learn as false calls.

Every board of the verifier's recipe is shown to the detector as it is, under the training's own changes of light with a
reference that lies a few pixels off, and as its bare reference under the same changes. A finding that touches no
defect is wrong, however low its score. Writes RUN/false-calls.npz: crops with a rim (see crops.py), and whether the
board validates.
"""

import numpy as np

from .augment import light, misregister
from .boxes import findings
from .crops import ROOM, crop
from .evaluate import session
from .prepared import load, truth_of, validation_rows
from .recipe import job, named, parser

MOST_SHIFT_PX = 4
FLOOR = 0.05
MOST_A_PICTURE = 6


def shown(board: np.ndarray, rng: np.random.Generator):
    """The board u8 [2, H, W] as the detector gets to see it, and whether its defects are in the picture."""
    yield board, True
    for picture, has_defects in ((board, True), (board[[1, 1]], False)):
        changed = light(misregister(picture, rng, MOST_SHIFT_PX), rng)
        yield (changed * 255).round().astype(np.uint8), has_defects


def wrong(net, planes: np.ndarray, truth: np.ndarray, overlap: float) -> list[np.ndarray]:
    """Boxes of findings that touch none of the truth boxes [T, 4]."""
    output = net.run(None, {"images": planes[None].astype(np.float32) / np.float32(255)})[0][0]
    boxes, _, _ = findings(output, FLOOR, overlap)
    out = []
    for box in boxes:
        touches = (box[0] < truth[:, 2]) & (truth[:, 0] < box[2]) & (box[1] < truth[:, 3]) & (truth[:, 1] < box[3])
        if not touches.any():
            out.append(box)
    return out[:MOST_A_PICTURE]


def main() -> None:
    p = parser(__doc__)
    p.add_argument("--detector", default="pcb-detector", help="the recipe whose exported file is asked")
    args = p.parse_args()
    work = job(args)
    eyes = named(args.detector, work.data, work.work)
    net = session(eyes.run / "model.onnx", args.threads)
    size = work.recipe["input"]["width"]
    crops, held = [], []
    for source in work.recipe["source"]:
        if source.get("role") == "test":
            continue
        pictures, images = load(work, source)
        validates = validation_rows(work, source, images)
        for row, image in enumerate(images):
            rng = np.random.default_rng((work.recipe["seed"], row))
            for planes, has_defects in shown(np.asarray(pictures[row]), rng):
                truth = truth_of(image)[0] if has_defects else np.zeros((0, 4))
                for box in wrong(net, planes, truth, eyes.overlap):
                    crops.append(crop(planes, box, size, ROOM))
                    held.append(row in validates)
            if row % 50 == 0 or row + 1 == len(images):
                print(f"\r{source['name']}: {row + 1}/{len(images)} boards, {len(crops)} false calls", end="", flush=True)
        print()
    channels = len(work.recipe["input"]["channels"])
    stack = np.stack(crops) if crops else np.zeros((0, channels, size, size), np.uint8)
    np.savez_compressed(work.run / "false-calls.npz", crops=stack, held=np.asarray(held, bool))


if __name__ == "__main__":
    main()
