"""Trains a classifier recipe (task = "classify"). Resumes from RUN/last.pt like train.py."""

import queue
import threading
import time

import numpy as np
import torch
from torch.nn import functional as F

from .crops import board_sample, clean_box, crop, steel_sample
from .mobilenet import MobileNetV3Small
from .prepared import load, validation_rows
from .recipe import Job, job, parser
from .train import Average, parts, rate, save


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
    """Pictures f32 [N, C, S, S] and labels [N], from (seed, step) alone."""
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
    return np.stack(out), np.asarray(labels, np.int64)


def held_out(work: Job, role: str):
    """Pictures u8 [N, C, S, S] and labels [N] of validation or test: whole pictures; or every truth's crop, as many
    clean crops and, in validation, the detector's wrong findings."""
    size, classes = work.recipe["input"]["width"], len(work.recipe["classes"])
    pictures, labels = [], []
    for source in work.recipe["source"]:
        data, images = load(work, source)
        if role == "test":
            rows = range(len(images)) if source.get("role") == "test" else []
        else:
            rows = sorted(validation_rows(work, source, images))
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
    p = parser(__doc__)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--check-every", type=int, default=500)
    p.add_argument("--steps", type=int, help="instead of the recipe's number, to try the way through in a minute")
    args = p.parse_args()
    work = job(args)
    if args.steps:
        work.recipe["train"]["steps"] = args.steps
    train, device = work.recipe["train"], torch.device(args.device)
    net = build(work).to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), lr=train["learning_rate"], weight_decay=train["weight_decay"])
    average, first = Average(net, train["ema"]), 0
    last = work.run / "last.pt"
    if last.is_file():
        state = torch.load(last, map_location=device, weights_only=True)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        average.state, first = state["average"], state["step"]
        print(f"resumed at step {first}", flush=True)
    sources, wrong, check = parts(work), false_calls(work, held=False), held_out(work, "validation")
    batches: queue.Queue = queue.Queue(4)
    threading.Thread(
        target=lambda: [batches.put(batch(work, sources, wrong, s)) for s in range(first, train["steps"])], daemon=True
    ).start()
    began, total = time.time(), 0.0
    for step in range(first, train["steps"]):
        pictures, labels = batches.get()
        x = torch.from_numpy(pictures).to(device).contiguous(memory_format=torch.channels_last)
        net.train()
        for group in optimiser.param_groups:
            group["lr"] = rate(train, step)
        # Depthwise convolutions are several times slower in bfloat16 on a CPU.
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logits = net(x)
        loss = F.cross_entropy(logits.float(), torch.from_numpy(labels).to(device), label_smoothing=0.05)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        average.update(net, step)
        total += float(loss.detach())
        done = step + 1
        if done % 50 == 0:
            pace = (time.time() - began) / (done - first)
            print(f"step {done}/{train['steps']} loss {total / 50:.3f} {pace:.3f} s/step, "
                  f"{pace * (train['steps'] - done) / 60:.0f} min left", flush=True)
            total = 0.0
        if done % args.check_every == 0 or done == train["steps"]:
            save(last, net=net.state_dict(), optimiser=optimiser.state_dict(), average=average.state, step=done)
            judge = build(work).to(device)
            judge.load_state_dict(average.state)
            right, confusion = accuracy(judge, *check, device)
            print(f"step {done} validation accuracy {right:.4f}\n{confusion}", flush=True)


if __name__ == "__main__":
    main()
