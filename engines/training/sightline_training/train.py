"""Trains a recipe's network. Stops and resumes at any step; the last checkpoint is RUN/last.pt.

With --all the pictures that validate are trained on too: for the weights that ship, when a training without them has
chosen everything. That checkpoint is RUN/all.pt.

Where a recipe has [again], a second, shorter training follows (a warm restart: Loshchilov and Hutter, arXiv 1608.03983):
--again goes on from the averaged weights of the first, to RUN/again.pt, or with --all to RUN/again-all.pt.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from . import augment, efficientnet, mosaic
from .augment import Part
from .boxes import findings
from .feed import Clock, feed, spare_cores
from .loss import detection_loss
from .metrics import detection_report
from .network import Detector, FeatureDetector, SmallDetector
from .prepared import load, of_role, truth_of, validation_rows
from .recipe import Job, job, parser


def build(work: Job) -> Detector:
    """The recipe's network with fresh weights."""
    r = work.recipe
    torch.manual_seed(r["seed"])
    channels, shape = len(r["input"]["channels"]), dict(r["network"])
    if shape.pop("features", None) != "efficientnet-lite0":
        return SmallDetector(channels, len(r["classes"]), **shape)
    features = efficientnet.EfficientNetLite0(channels, shape.pop("drop_path"))
    return FeatureDetector(features, efficientnet.WIDTHS, len(r["classes"]), **shape)


def start(work: Job, net: Detector) -> None:
    """Loads the weights that features come with from elsewhere."""
    if isinstance(net, FeatureDetector):
        net.features.load_state_dict(efficientnet.from_wheel(efficientnet.pretrained(work.work), net.features))


def parts(work: Job, everything: bool = False, training: bool = True) -> list[Part]:
    """The training parts of all sources with a weight; what validates is left out, unless `everything` is wanted.
    Pictures are as large as the training sees them, or as the network will."""
    out = []
    for source in work.recipe["source"]:
        if source.get("role", "train") != "train":
            continue
        pictures, images = load(work, source, training)
        held = set() if everything else validation_rows(work, source, images)
        rows = np.array([i for i in range(len(images)) if i not in held])
        out.append(Part(pictures, images, rows, source["weight"]))
    return out


@dataclass
class Batches:
    """Makes a recipe's batches; each process opens the pictures for itself."""

    work: Job
    everything: bool
    opened: list[Part] | None = None

    def __call__(self, step: int, share: float):
        if self.opened is None:
            self.opened = parts(self.work, self.everything)
        train = self.work.recipe["train"]
        make = mosaic.batch if "mosaic" in train else augment.batch
        return make(self.opened, self.work.recipe["seed"], step, train, share)


def rate(train: dict, step: int, share: float) -> float:
    """Learning rate: linear warm-up, under a cosine down to a fiftieth when `share` of the training is done."""
    warm = min(1.0, (step + 1) / train["warmup"])
    return train["learning_rate"] * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))


def groups(net: torch.nn.Module, train: dict) -> list[dict]:
    """The optimiser's groups: no decay for biases and norms, a share of the rate for weights that came trained."""
    out: dict[tuple, dict] = {}
    for name, weight in net.named_parameters():
        scale = train.get("features_rate", 1.0) if name.startswith("features.") else 1.0
        decay = train["weight_decay"] if weight.ndim > 1 else 0.0
        out.setdefault((scale, decay), {"params": [], "scale": scale, "weight_decay": decay})["params"].append(weight)
    return list(out.values())


def to_device(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """An array on the device, without waiting for the copy where that is a GPU."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


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
        out += [findings(o, floor, **work.suppression) for o in net(tensor).cpu().numpy()]
    return out


def validate(work: Job, net, device) -> dict:
    """Figures on the validation boards, and the share of defect-free references with any finding over 0.3."""
    report = {}
    for source, pictures, images, rows in of_role(work, "validation"):
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

    @torch.no_grad()
    def update(self, net: torch.nn.Module, step: int) -> None:
        """Takes the network's weights after `step` in."""
        keep = min(self.decay, (1 + step) / (10 + step))
        now = net.state_dict()
        moving = [k for k, v in now.items() if v.dtype.is_floating_point]
        torch._foreach_lerp_([self.state[k] for k in moving], [now[k] for k in moving], 1 - keep)  # one call, not 400
        for key in now.keys() - set(moving):
            self.state[key].copy_(now[key])


def save(path: Path, **content) -> None:
    """Writes a checkpoint so that a stop in the middle leaves the old one."""
    part = path.with_suffix(".part")
    torch.save(content, part)
    part.replace(path)


@dataclass
class Run:
    """A training's loop: what it keeps, where it writes, when it ends. train_classifier.py runs in it too."""

    work: Job
    args: object
    net: torch.nn.Module

    def loop(self, batches, clock: Clock, losses) -> None:
        """Trains until the clock has run out. `losses` gives a batch's loss, then what is printed beside it."""
        train, args, device = self.work.recipe["train"], self.args, torch.device(self.args.device)
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
        net, last = self.net.to(device, memory_format=torch.channels_last), self.work.checkpoint(args.again, args.all)
        if args.again:
            first = torch.load(self.work.checkpoint(False, False), map_location=device, weights_only=True)
            net.load_state_dict(first["average"])
        optimiser = torch.optim.AdamW(groups(net, train), lr=train["learning_rate"], fused=device.type == "cuda")
        average, done = Average(net, train["ema"]), 0
        if last.is_file():
            state = torch.load(last, map_location=device, weights_only=True)
            net.load_state_dict(state["net"])
            optimiser.load_state_dict(state["optimiser"])
            average.state, done = state["average"], state["step"]
            print(f"resumed at step {done}", flush=True)
        net.train()
        began, first, sums, saved = time.monotonic(), done, None, time.monotonic()
        for step, share, batch in batches:
            if step < done:
                continue
            for group in optimiser.param_groups:
                group["lr"] = rate(train, step, share) * group["scale"]
            parts = losses(net, [to_device(b, device) for b in batch])
            optimiser.zero_grad(set_to_none=True)
            parts[0].backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
            optimiser.step()
            average.update(net, step)
            done = step + 1
            now = torch.stack([p.detach() for p in parts])
            sums = now if sums is None else sums + now
            if done % 100 == 0:
                took = (time.monotonic() - began) / (done - first)
                means = " ".join(f"{v:.3f}" for v in (sums / 100).tolist())
                print(f"step {done}, {share:.1%} done, loss {means}, {took:.3f} s a step", flush=True)
                sums = None
            if time.monotonic() - saved > args.save_seconds:
                self.keep(net, optimiser, average, done)
                saved = time.monotonic()
        self.keep(net, optimiser, average, done)
        print(f"ended at step {done}", flush=True)
        net.load_state_dict(average.state)

    def keep(self, net, optimiser, average: Average, done: int) -> None:
        """Writes the checkpoint, and the averaged weights alone where they are wanted."""
        path = self.work.checkpoint(self.args.again, self.args.all)
        save(path, net=net.state_dict(), optimiser=optimiser.state_dict(), average=average.state, step=done)
        if self.args.average_to:
            save(self.args.average_to, average=average.state, step=done)


def begin(work: Job, args, make) -> tuple:
    """The clock and the batches of a run; before anything touches a GPU. The recipe is as `args` want it from here on."""
    train = work.recipe["train"]
    if args.again:
        if "again" not in work.recipe:
            raise SystemExit(f"expected [again] in the recipe of {work.name}, found none: it is trained once")
        train |= work.recipe["again"]
        work.recipe["seed"] += 1  # other batches than the first training's
    for name in ("steps", "batch"):
        train[name] = getattr(args, name) or train[name]
    clock, first, last = Clock(train["steps"], args.minutes), 0, work.checkpoint(args.again, args.all)
    if last.is_file():
        first = torch.load(last, map_location="cpu", weights_only=True)["step"]
    return clock, feed(make, clock, first, args.workers or spare_cores())


def training_parser(description: str):
    """The arguments of both trainings."""
    p = parser(description)
    p.add_argument("--device", help="cuda where there is one, else cpu")
    p.add_argument("--workers", type=int, default=0, help="processes that make batches (0: as many as cores are spare)")
    p.add_argument("--minutes", type=float, help="train for so long instead of the recipe's steps; the schedule fits itself")
    p.add_argument("--steps", type=int, help="instead of the recipe's number, to try the way through in a minute")
    p.add_argument("--batch", type=int, help="instead of the recipe's size, likewise")
    p.add_argument("--again", action="store_true", help="the second training of a recipe that has [again]")
    p.add_argument("--all", action="store_true", help="train on what validates too")
    p.add_argument("--save-seconds", type=float, default=60, help="between checkpoints")
    p.add_argument("--average-to", type=Path, help="a file that gets the averaged weights alone with every checkpoint")
    p.add_argument("--no-check", action="store_true", help="no validation at the end")
    return p


def main() -> None:
    args = training_parser(__doc__).parse_args()
    work = job(args)
    clock, batches = begin(work, args, Batches(work, args.all))
    args.device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(args.device)
    net = build(work)
    start(work, net)

    def losses(net: Detector, batch: list[torch.Tensor]):
        pictures, *truth = batch
        x = pictures.to(memory_format=torch.channels_last).float().div_(255)
        # Depthwise convolutions are slower in bfloat16 on a CPU.
        half = device.type == "cuda" or not isinstance(net, FeatureDetector)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            raw = net.raw(x)
        return detection_loss(raw, x.shape[2:], net.strides, *truth)

    Run(work, args, net).loop(batches, clock, losses)
    if not (args.all or args.no_check):
        print(f"validation {validate(work, net, device)}", flush=True)


if __name__ == "__main__":
    main()
