"""Trains a classifier recipe (task = "classify"). Resumes from RUN/last.pt like train.py."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from .augment import Part, camera
from .crops import board_sample, clean_box, crop, steel_sample
from .mobilenet import MobileNetV3Small
from .prepared import of_role
from .recipe import Job, job
from .train import Run, begin, parts, training_parser


def build(work: Job) -> MobileNetV3Small:
    """The recipe's network with fresh weights."""
    r = work.recipe
    torch.manual_seed(r["seed"])
    return MobileNetV3Small(len(r["input"]["channels"]), len(r["classes"]), **r["network"])


def false_calls(work: Job, held: bool) -> np.ndarray:
    """Crops u8 [N, C, S, S] with room of the detector's wrong findings, as mine.py wrote them."""
    if work.recipe["samples"] == "whole":
        return np.zeros(0)
    path = work.run / "false-calls.npz"
    if not path.is_file():
        raise SystemExit(f"{path} is not there; run: python -m sightline_training.mine {work.name} --data …")
    kept = np.load(path)
    return kept["crops"][kept["held"] == held]


def batch(work: Job, sources, wrong, step: int):
    """Pictures u8 [N, C, S, S] and labels [N], from (seed, step) alone."""
    r = work.recipe
    rng = np.random.default_rng((r["seed"], step))
    weights = np.array([s.weight for s in sources])
    out, labels = [], []
    for _ in range(r["train"]["batch"]):
        which = int(rng.choice(len(sources), p=weights / weights.sum()))
        if r["samples"] == "whole":
            picture, label = steel_sample(sources[which], rng, r["train"]["size"])
        else:
            picture, label = board_sample(sources[which], wrong, rng, r["input"]["width"], len(r["classes"]))
        out.append(picture)
        labels.append(label)
    return camera(np.stack(out)), np.asarray(labels, np.int64)


@dataclass
class Batches:
    """Makes a recipe's batches; each process opens the pictures for itself."""

    work: Job
    everything: bool
    opened: tuple[list[Part], np.ndarray] | None = None

    def __call__(self, step: int, share: float):
        if self.opened is None:
            wrong = false_calls(self.work, held=False)
            if self.everything and len(wrong):
                wrong = np.concatenate([wrong, false_calls(self.work, held=True)])
            self.opened = parts(self.work, self.everything), wrong
        return batch(self.work, *self.opened, step)


def held_out(work: Job, role: str):
    """Pictures u8 [N, C, S, S] and labels [N] of validation or test: whole pictures; or every truth's crop, as many
    clean crops and, in validation, the detector's wrong findings."""
    size, classes = work.recipe["input"]["width"], len(work.recipe["classes"])
    pictures, labels = [], []
    for _, data, images, rows in of_role(work, role):
        for row in rows:
            if work.recipe["samples"] == "whole":
                pictures.append(np.asarray(data[row]))
                labels.append(images[row]["class_id"])
                continue
            rng = np.random.default_rng((1, row))
            boxes = np.asarray(images[row]["boxes"]).reshape(-1, 4)
            for box, label in zip(boxes, images[row]["labels"]):
                pictures.append(crop(data[row], box, size))
                labels.append(label)
                clear = clean_box(boxes, data.shape[2:], rng)
                if clear is not None:
                    pictures.append(crop(data[row], clear, size))
                    labels.append(classes - 1)
    if role == "validation":
        for roomy in false_calls(work, held=True):
            rim = (roomy.shape[1] - size) // 2
            pictures.append(roomy[:, rim : rim + size, rim : rim + size])
            labels.append(classes - 1)
    return np.stack(pictures), np.asarray(labels)


@torch.no_grad()
def accuracy(net, pictures: np.ndarray, labels: np.ndarray, device) -> tuple[float, np.ndarray]:
    """Share named rightly, and the confusion [truth, found]."""
    net.eval()
    found = []
    for start in range(0, len(pictures), 64):
        x = torch.from_numpy(pictures[start : start + 64]).to(device).float().div_(255)
        found.append(net(x).argmax(1).cpu().numpy())
    found = np.concatenate(found)
    classes = net.head[-1].out_features
    confusion = np.zeros((classes, classes), int)
    np.add.at(confusion, (labels, found), 1)
    return float((found == labels).mean()), confusion


def main() -> None:
    args = training_parser(__doc__).parse_args()
    work = job(args)
    clock, batches = begin(work, args, Batches(work, args.all))
    args.device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(args.device)
    net = build(work)

    def losses(net: MobileNetV3Small, batch: list[torch.Tensor]):
        pictures, labels = batch
        x = pictures.to(memory_format=torch.channels_last).float().div_(255)
        # Depthwise convolutions are several times slower in bfloat16 on a CPU.
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logits = net(x)
        return (F.cross_entropy(logits.float(), labels, label_smoothing=0.05),)

    Run(work, args, net).loop(batches, clock, losses)
    if not (args.all or args.no_check):
        right, confusion = accuracy(net, *held_out(work, "validation"), device)
        print(f"validation accuracy {right:.4f}\n{confusion}", flush=True)


if __name__ == "__main__":
    main()
