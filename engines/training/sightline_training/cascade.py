"""Chooses how detector and verifier work together, on validation boards, and prints what that gains.

Both take part with the files that ship. Recall counts truths that a finding of their class overlaps by more than 0.33,
overkill the boards without a defect on which any finding is left. Every detector limit is multiplied by a factor; the
verifier then looks at what is at or above it and dismisses at `dismiss_at`. Chosen is the pair with the least overkill
among those that find as many truths as the detector alone at its own limits, and of these the one that finds most.
"""

import numpy as np

from .boxes import findings
from .crops import crop
from .evaluate import parts, session
from .limits import read_limits
from .metrics import match
from .prepared import truth_of
from .recipe import Job, job, named, parser

FLOOR = 0.05
FACTORS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
DISMISS_AT = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def seen(work: Job, detector, verifier, pictures, rows) -> list:
    """Each board's findings (boxes, scores, labels) and the verifier's word on each [K, classes + 1]."""
    out, size = [], work.recipe["input"]["width"]
    for n, row in enumerate(rows):
        planes = np.asarray(pictures[row])
        x = planes[None].astype(np.float32) / np.float32(255)
        boxes, scores, labels = findings(detector.run(None, {"images": x})[0][0], FLOOR)
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


def figures(boards: list, truth: list, limits: np.ndarray, dismiss_at: float | None) -> tuple[float, int]:
    """Recall over all truths, and the number of defect-free boards with a finding."""
    kept = [left(board, limits, dismiss_at) for board in boards]
    recall = match(kept, truth, 0.33)[2].sum() / max(1, sum(len(t[1]) for t in truth))
    return float(recall), sum(len(k[0]) > 0 and len(t[1]) == 0 for k, t in zip(kept, truth))


def main() -> None:
    p = parser(__doc__)
    p.add_argument("--detector", default="pcb-detector", help="the recipe whose INT8 file finds")
    args = p.parse_args()
    work = job(args)
    eyes = named(args.detector, work.data, work.work)
    detector = session(eyes.run / "model-int8.onnx", args.threads)
    verifier = session(work.run / "model.onnx", args.threads)
    boards, truth = [], []
    for _, pictures, images, rows in parts(work, "validation"):
        boards += seen(work, detector, verifier, pictures, rows)
        truth += [truth_of(images[row]) for row in rows]
    limits, clean = read_limits(eyes), sum(len(t[1]) == 0 for t in truth)
    print(f"{len(boards)} boards, {clean} of them without a defect\n{'limits x':>9}{'alone':>18}"
          + "".join(f"{f'dismiss at {d}':>18}" for d in DISMISS_AT))
    alone, found = figures(boards, truth, limits, None), {}
    for factor in FACTORS:
        row = [figures(boards, truth, limits * factor, d) for d in (None, *DISMISS_AT)]
        found |= {(factor, d): f for d, f in zip(DISMISS_AT, row[1:])}
        print(f"{factor:9.1f}" + "".join(f"{f'{recall:.4f} {wrong:4d}':>18}" for recall, wrong in row))
    good = {k: f for k, f in found.items() if f[0] >= alone[0]}
    if not good:
        raise SystemExit(f"no pair finds as many truths as the detector alone ({alone[0]:.4f}); the verifier is no gain")
    (factor, dismiss_at), (recall, wrong) = min(good.items(), key=lambda kf: (kf[1][1], -kf[1][0]))
    print(f"detector alone: recall {alone[0]:.4f}, {alone[1]} of {clean} clean boards stopped\n"
          f"chosen: limits x {factor}, dismiss_at = {dismiss_at}: recall {recall:.4f}, {wrong} of {clean}")


if __name__ == "__main__":
    main()
