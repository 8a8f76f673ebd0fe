"""Collects what a detector wrongly calls a defect, for its verifier to learn as false calls.

Every board of the verifier's recipe is shown to the detector as it is, under the training's own changes of light with a
reference that lies a few pixels off, and as its bare reference under the same changes. A finding that touches no
defect is wrong, however low its score. The detector is the file the recipe made, or else the one that ships, in its INT8
form where there is one. Writes RUN/false-calls.npz: crops with a rim (see crops.py), whether the board validates, and where
each was found, from which `--again` cuts the same crops without asking the detector.
"""

import functools
import multiprocessing
from pathlib import Path

import numpy as np

from .augment import light, misregister
from .boxes import findings
from .crops import ROOM, crop
from .evaluate import session
from .feed import spare_cores
from .prepared import load, truth_of, validation_rows
from .recipe import Job, job, named, parser

MOST_SHIFT_PX = 4
FLOOR = 0.02
MOST_A_PICTURE = 8
CHANGES = 2  # times a board and its bare reference are shown under other light


def shown(board: np.ndarray, rng: np.random.Generator):
    """The board u8 [2, H, W] as the detector gets to see it, and whether its defects are in the picture."""
    yield board, True
    for picture, has_defects in ((board, True), (board[[1, 1]], False)) * CHANGES:
        changed = light(misregister(picture, rng, MOST_SHIFT_PX), rng)
        yield (changed * 255).round().astype(np.uint8), has_defects


def detector_file(eyes: Job, models: Path) -> Path:
    """The detector's file, with its limits beside it: what its recipe made here, else what ships; INT8 before FP32."""
    for folder in (eyes.run, models / eyes.name):
        for name in ("model-int8.onnx", "model.onnx"):
            if (folder / name).is_file():
                return folder / name
    raise SystemExit(f"no file of {eyes.name} in {eyes.run} nor in {models / eyes.name}; make {eyes.name} first")


def wrong(net, planes: np.ndarray, truth: np.ndarray, suppression: dict) -> list[np.ndarray]:
    """Boxes of findings that touch none of the truth boxes [T, 4]."""
    output = net.run(None, {"images": planes[None].astype(np.float32) / np.float32(255)})[0][0]
    boxes, _, _ = findings(output, FLOOR, **suppression)
    out = []
    for box in boxes:
        touches = (box[0] < truth[:, 2]) & (truth[:, 0] < box[2]) & (box[1] < truth[:, 3]) & (truth[:, 1] < box[3])
        if not touches.any():
            out.append(box)
    return out[:MOST_A_PICTURE]


@functools.cache
def opened(work: "Mined", index: int):
    """Pictures and truths of a source of the recipe."""
    return load(work.job, work.job.recipe["source"][index])


class Mined:
    """What the processes share: the recipe, and the detector's file or else the spots that are cut again."""

    def __init__(self, work: Job, path: Path | None, suppression: dict, again: np.ndarray | None):
        self.job, self.path, self.suppression, self.again, self.net = work, path, suppression, again, None

    def __call__(self, at: tuple[int, int]) -> tuple[list, list]:
        """Crops and spots (source, row, showing, box) of one board."""
        index, row = at
        if self.net is None and self.path is not None:
            self.net = session(self.path, 1)
        pictures, images = opened(self, index)
        rng = np.random.default_rng((self.job.recipe["seed"], row))
        size, crops, spots = self.job.recipe["input"]["width"], [], []
        again = None if self.again is None else self.again[(self.again[:, :2] == (index, row)).all(1)]
        for number, (planes, has_defects) in enumerate(shown(np.asarray(pictures[row]), rng)):
            if again is not None:
                if not (again[:, 2] >= number).any():
                    break
                boxes = again[again[:, 2] == number, 3:]
            else:
                truth = truth_of(images[row])[0] if has_defects else np.zeros((0, 4))
                boxes = wrong(self.net, planes, truth, self.suppression)
            for box in boxes:
                crops.append(crop(planes, box, size, ROOM))
                spots.append([index, row, number, *box])
        return crops, spots


_mined: Mined | None = None


def _begin(mined: Mined) -> None:
    global _mined
    _mined = mined


def _one(at: tuple[int, int]):
    return _mined(at)


def main() -> None:
    p = parser(__doc__)
    p.add_argument("--detector", default="pcb-detector", help="the recipe whose exported file is asked")
    p.add_argument("--models", type=Path, default=Path("models"), help="folder of the bundles that ship")
    p.add_argument("--workers", type=int, default=spare_cores(), help="processes")
    p.add_argument("--again", type=Path, help="cut the spots of this false-calls.npz again; what validates is left out")
    args = p.parse_args()
    work = job(args)
    eyes = named(args.detector, work.data, work.work)
    again = np.load(args.again)["spots"] if args.again else None
    mined = Mined(work, None if args.again else detector_file(eyes, args.models), eyes.suppression, again)
    boards, held = [], []
    for index, source in enumerate(work.recipe["source"]):
        if source.get("role", "train") not in (("train",) if args.again else ("train", "validation")):
            continue
        _, images = load(work, source)
        validates = validation_rows(work, source, images)
        boards += [(index, row) for row in range(len(images))]
        held += [row in validates for row in range(len(images))]
    crops, spots, of_held = [], [], []
    with multiprocessing.Pool(args.workers, _begin, (mined,)) as pool:
        for n, (found, where) in enumerate(pool.imap(_one, boards, chunksize=4)):
            crops, spots, of_held = crops + found, spots + where, of_held + [held[n]] * len(found)
            if n % 50 == 0 or n + 1 == len(boards):
                print(f"\r{n + 1}/{len(boards)} boards, {len(crops)} false calls", end="", flush=True)
    print()
    channels, side = len(work.recipe["input"]["channels"]), round(work.recipe["input"]["width"] * ROOM)
    np.savez_compressed(work.run / "false-calls.npz",
                        crops=np.stack(crops) if crops else np.zeros((0, channels, side, side), np.uint8),
                        spots=np.asarray(spots, np.float64).reshape(-1, 7), held=np.asarray(of_held, bool))


if __name__ == "__main__":
    main()
