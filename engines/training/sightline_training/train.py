"""Trains a recipe's network. Stops and resumes at any step; the last checkpoint is RUN/last.pt."""

import math
import queue
import threading
import time
from pathlib import Path

import numpy as np
import torch

from . import augment, mosaic
from .augment import Part
from .boxes import findings
from .loss import detection_loss
from .metrics import detection_report
from .network import Detector
from .prepared import load, truth_of, validation_rows
from .recipe import Job, job, parser


def build(work: Job) -> Detector:
    """The recipe's network with fresh weights."""
    r = work.recipe
    torch.manual_seed(r["seed"])
    return Detector(len(r["input"]["channels"]), len(r["classes"]), **r["network"])


def start(work: Job, net: Detector) -> None:
    """Loads the averaged weights of the recipe's `start_from`, if it names one; planes that this recipe does not have
    are left out of the first filters."""
    other = work.recipe["train"].get("start_from")
    if other is None:
        return
    path = work.work / other / "last.pt"
    if not path.is_file():
        raise SystemExit(f"{path} is not there; train the recipe {other} first, this one starts from its weights")
    weights = torch.load(path, map_location="cpu", weights_only=True)["average"]
    first = "stem.0.0.weight"
    weights[first] = weights[first][:, : len(work.recipe["input"]["channels"])]
    net.load_state_dict(weights)


def parts(work: Job) -> list[Part]:
    """The training parts of all sources with a weight; validation boards are left out."""
    out = []
    for source in work.recipe["source"]:
        if source.get("role", "train") != "train":
            continue
        pictures, images = load(work, source)
        held = validation_rows(work, source, images)
        rows = np.array([i for i in range(len(images)) if i not in held])
        out.append(Part(pictures, images, rows, source["weight"]))
    return out


def feed(sources, recipe, first: int, steps: int, ahead: int = 4) -> queue.Queue:
    """Makes the batches of steps first.. in a thread of its own, in order."""
    out: queue.Queue = queue.Queue(ahead)
    train = recipe["train"]
    batch = mosaic.batch if "mosaic" in train else augment.batch

    def run() -> None:
        for step in range(first, steps):
            out.put(batch(sources, recipe["seed"], step, train))

    threading.Thread(target=run, daemon=True).start()
    return out


def rate(train: dict, step: int) -> float:
    """Learning rate: linear warm-up, then a cosine down to a fiftieth."""
    if step < train["warmup"]:
        return train["learning_rate"] * (step + 1) / train["warmup"]
    done = (step - train["warmup"]) / max(1, train["steps"] - train["warmup"])
    return train["learning_rate"] * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


@torch.no_grad()
def detect(work: Job, net, pictures, rows, device, floor: float = 0.01, planes=None, count: int = 8) -> list:
    """Findings of the given rows; `planes` reorders the planes ([1, 1] shows the reference to itself)."""
    net.eval()
    out = []
    for start in range(0, len(rows), count):
        x = np.stack([pictures[i] for i in rows[start : start + count]])
        if planes is not None:
            x = x[:, planes]
        tensor = torch.from_numpy(x).to(device).float().div_(255).contiguous(memory_format=torch.channels_last)
        out += [findings(o, floor, work.overlap) for o in net(tensor).cpu().numpy()]
    return out


def validate(work: Job, net, device) -> dict:
    """Figures on the validation boards, and the share of defect-free references with any finding over 0.3."""
    report = {}
    for source in work.recipe["source"]:
        if source.get("role") == "test":
            continue
        pictures, images = load(work, source)
        rows = sorted(validation_rows(work, source, images))
        if not rows:
            continue
        truth = [truth_of(images[i]) for i in rows]
        if not any(len(t[1]) for t in truth):
            continue  # boards without a defect say nothing of precision; the limits are chosen with them later
        found = detect(work, net, pictures, rows, device)
        figures = detection_report(found, truth, len(work.recipe["classes"]))
        if pictures.shape[1] == 2:
            clean = detect(work, net, pictures, rows, device, 0.3, [1, 1])
            figures["clean_alarms"] = sum(len(f[0]) > 0 for f in clean) / len(rows)
        report[source["name"]] = figures
    return report


class Average:
    """Exponential moving average of weights and statistics, slow only once it has seen enough."""

    def __init__(self, net: torch.nn.Module, decay: float):
        self.state = {k: v.detach().clone() for k, v in net.state_dict().items()}
        self.decay = decay

    def update(self, net: torch.nn.Module, step: int) -> None:
        keep = min(self.decay, (1 + step) / (10 + step))
        for key, value in net.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[key].lerp_(value, 1 - keep)
            else:
                self.state[key].copy_(value)


def save(path: Path, **content) -> None:
    """Writes a checkpoint so that a stop in the middle leaves the old one."""
    part = path.with_suffix(".part")
    torch.save(content, part)
    part.replace(path)


def main() -> None:
    p = parser(__doc__)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--check-every", type=int, default=1500, help="steps between validations")
    p.add_argument("--save-every", type=int, default=250, help="steps between checkpoints")
    p.add_argument("--steps", type=int, help="instead of the recipe's number, to try the way through in a minute")
    args = p.parse_args()
    work = job(args)
    if args.steps:
        work.recipe["train"]["steps"] = args.steps
    train = work.recipe["train"]
    device = torch.device(args.device)
    net = build(work)
    start(work, net)
    net = net.to(device, memory_format=torch.channels_last)
    decayed = [w for w in net.parameters() if w.ndim > 1]
    plain = [w for w in net.parameters() if w.ndim <= 1]
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": train["weight_decay"]},
                                   {"params": plain, "weight_decay": 0.0}], lr=train["learning_rate"])
    average, first = Average(net, train["ema"]), 0
    last = work.run / "last.pt"
    if last.is_file():
        state = torch.load(last, map_location=device, weights_only=True)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        average.state, first = state["average"], state["step"]
        print(f"resumed at step {first}", flush=True)
    batches = feed(parts(work), work.recipe, first, train["steps"])
    began, sums = time.time(), np.zeros(3)
    for step in range(first, train["steps"]):
        pictures, *truth = batches.get()
        x = torch.from_numpy(pictures).to(device).contiguous(memory_format=torch.channels_last)
        net.train()
        for group in optimiser.param_groups:
            group["lr"] = rate(train, step)
        with torch.autocast(device.type, torch.bfloat16):
            raw = net.raw(x)
        loss, box, score = detection_loss(raw, x.shape[2:], *(torch.from_numpy(t).to(device) for t in truth))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimiser.step()
        average.update(net, step)
        sums += [float(loss.detach()), float(box), float(score)]
        done = step + 1
        if done % 50 == 0:
            pace = (time.time() - began) / (done - first)
            mean = sums / 50
            print(f"step {done}/{train['steps']} loss {mean[0]:.3f} box {mean[1]:.3f} class {mean[2]:.3f} "
                  f"{pace:.3f} s/step, {pace * (train['steps'] - done) / 60:.0f} min left", flush=True)
            sums[:] = 0
        if done % args.save_every == 0 or done == train["steps"]:
            save(last, net=net.state_dict(), optimiser=optimiser.state_dict(), average=average.state, step=done)
        if done % args.check_every == 0 or done == train["steps"]:
            judge = build(work).to(device, memory_format=torch.channels_last)
            judge.load_state_dict(average.state)
            print(f"step {done} validation {validate(work, judge, device)}", flush=True)


if __name__ == "__main__":
    main()
