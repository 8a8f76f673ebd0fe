"""Chooses how detector and verifier work together, on validation boards, and prints what that gains.

Both take part with the files that ship. Every detector limit is multiplied by a factor; the verifier then looks at what
is at or above it and dismisses at `dismiss_at`. Recall counts truths that a finding overlaps by more than 0.33, whatever
it is called, because a part's verdict rests on that; overkill counts boards without a defect on which a finding is left.
Chosen is the pair that finds most among those that stop at most half the boards that the detector alone stops at its own
limits, and of these the one that stops fewest, and dismisses last; beside it stands what the detector alone stops where it
finds as many. On the test part (`--role test`) the table is printed and nothing is chosen.
"""

from pathlib import Path

import numpy as np

from .accept import REFUSED
from .boxes import findings, iou_matrix
from .crops import crop
from .evaluate import session
from .limits import read_limits
from .metrics import match
from .mine import detector_file
from .prepared import of_role, truth_of
from .recipe import Job, job, named, parser

FLOOR = 0.02
FACTORS = (0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
DISMISS_AT = (0.5, 0.7, 0.8, 0.9, 0.93, 0.95)  # from even odds on; it is hardly ever surer than the last


def seen(work: Job, suppression: dict, detector, verifier, pictures, rows) -> list:
    """Each board's findings (boxes, scores, labels) and the verifier's word on each [K, classes + 1]; findings of one
    class overlap by at most `suppression` says."""
    out, size = [], work.recipe["input"]["width"]
    for n, row in enumerate(rows):
        planes = np.asarray(pictures[row])
        x = planes[None].astype(np.float32) / np.float32(255)
        boxes, scores, labels = findings(detector.run(None, {"images": x})[0][0], FLOOR, **suppression)
        said = np.zeros((0, len(work.recipe["classes"])))
        if len(boxes):
            crops = np.stack([crop(planes, box, size) for box in boxes]).astype(np.float32) / np.float32(255)
            logits = verifier.run(None, {"images": crops})[0]
            share = np.exp(logits - logits.max(1, keepdims=True))
            said = share / share.sum(1, keepdims=True)
        out.append((boxes, scores, labels, said))
        if n % 20 == 0 or n + 1 == len(rows):
            print(f"\r{n + 1}/{len(rows)} boards", end="", flush=True)
    print()
    return out


def left(board, limits: np.ndarray, dismiss_at: float | None):
    """What counts of a board's findings; the verifier names what it does not dismiss."""
    boxes, scores, labels, said = board
    keep = scores >= limits[labels]
    if dismiss_at is not None:
        keep &= said[:, -1] < dismiss_at
        labels = said[:, :-1].argmax(1)
    return boxes[keep], scores[keep], labels[keep]


def figures(boards: list, truth: list, limits: np.ndarray, dismiss_at: float | None) -> tuple[float, float, int, int]:
    """Recall whatever the name, recall by the right name, the number of defect-free boards with a finding, and that of
    the findings that touch no truth."""
    kept = [left(board, limits, dismiss_at) for board in boards]
    truths = max(1, sum(len(t[1]) for t in truth))
    nameless = match([(b, s, l * 0) for b, s, l in kept], [(b, l * 0) for b, l in truth], 0.33)[2].sum() / truths
    named_right = match(kept, truth, 0.33)[2].sum() / truths
    stopped = sum(len(k[0]) > 0 and len(t[1]) == 0 for k, t in zip(kept, truth))
    false = sum(int((iou_matrix(k[0], t[0]).max(1, initial=0) == 0).sum()) for k, t in zip(kept, truth))
    return float(nameless), float(named_right), stopped, false


def main() -> None:
    p = parser(__doc__)
    p.add_argument("--detector", default="pcb-detector", help="the recipe whose file finds, INT8 where there is one")
    p.add_argument("--models", type=Path, default=Path("models"), help="folder of the bundles that ship")
    p.add_argument("--role", choices=["validation", "test"], default="validation")
    args = p.parse_args()
    work = job(args)
    eyes = named(args.detector, work.data, work.work)
    path = detector_file(eyes, args.models)
    detector = session(path, args.threads)
    verifier = session(work.run / "model.onnx", args.threads)
    boards, truth = [], []
    for role in ("test",) if args.role == "test" else ("validation", "cascade"):
        for _, pictures, images, rows in of_role(work, role):
            boards += seen(work, eyes.suppression, detector, verifier, pictures, rows)
            truth += [truth_of(images[row]) for row in rows]
    limits, clean = read_limits(path.parent), sum(len(t[1]) == 0 for t in truth)
    alone = {factor: figures(boards, truth, limits * factor, None) for factor in FACTORS}
    print(f"{len(boards)} boards, {clean} without a defect; recall, recall by name, boards wrongly stopped, false findings")
    print(f"{'limits x':>9}{'alone':>26}" + "".join(f"{f'dismiss at {d}':>26}" for d in DISMISS_AT))
    best = None
    for factor in FACTORS:
        line = [alone[factor]]
        for dismiss_at in DISMISS_AT:
            line.append(figures(boards, truth, limits * factor, dismiss_at))
            recall, by_name, stopped, _ = line[-1]
            rank = (-recall, stopped, -dismiss_at)
            if 2 * stopped <= alone[1.0][2] and (best is None or rank < best[0]):
                best = (rank, factor, by_name)
        print(f"{factor:9.2f}" + "".join(f"{f'{r:.4f} {n:.4f} {w:4d} {false:4d}':>26}" for r, n, w, false in line), flush=True)
    if args.role == "test":
        return
    if best is None:
        print("no pair stops half as many boards as the detector alone; the verifier is no gain")
        raise SystemExit(REFUSED)
    (recall, stopped, dismiss_at), factor, by_name = best
    without = min((a[2] for a in alone.values() if a[0] >= -recall), default=None)
    print(f"chosen: limits x {factor}, dismiss_at = {-dismiss_at}: recall {-recall:.4f} (by name {by_name:.4f}), "
          f"{stopped} of {clean} clean boards stopped; the detector alone stops {without} where it finds as many")


if __name__ == "__main__":
    main()
