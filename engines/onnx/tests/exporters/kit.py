"""What all makers share: writing a model with what must be said of it, and heads read the plain way."""

import json
import os
import traceback
import warnings

import numpy as np

import picture as p

warnings.filterwarnings("ignore")
OUT = None
ONLY = None
CASES = []


def case(name):
    """A maker of one file."""

    def of(function):
        CASES.append((name, function))
        return function

    return of


def run(out, only):
    """Makes them all; one that cannot be made here is listed with the reason."""
    global OUT
    OUT = out
    drawn = p.picture()
    with open(os.path.join(out, "picture.rgb"), "wb") as file:
        file.write(np.array([drawn.shape[1], drawn.shape[0]], "<u4").tobytes() + drawn.tobytes())
    for name, function in CASES:
        if only and not any(o in name for o in only):
            continue
        target = os.path.join(out, name + ".json")
        if os.path.exists(target):
            continue
        folder = os.path.join(out, name)
        os.makedirs(folder, exist_ok=True)
        try:
            said = function(os.path.join(folder, name + ".onnx"))
        except Exception as error:  # a tool that is not there, or that changed
            traceback.print_exc()
            said = {"cannot": f"{type(error).__name__}: {error}"[:300]}
        with open(target, "w") as file:
            json.dump({"name": name, **said}, file)
        print(name, said.get("cannot") or said.get("refused") or f"{len(said.get('findings', said.get('scores', [])))} to compare", flush=True)


def outputs(path, tensor):
    """The file's outputs by name for one input, on ONNX Runtime without its optimiser."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    first = session.get_inputs()[0]
    kind = {"tensor(float16)": np.float16, "tensor(uint8)": np.uint8}.get(first.type, np.float32)
    batch = first.shape[0] if isinstance(first.shape[0], int) else 1
    tensor = np.repeat(tensor, batch, 0)
    found = session.run(None, {first.name: tensor.astype(kind)})
    return {o.name: f.astype(np.float64) for o, f in zip(session.get_outputs(), found)}


def only(outputs_):
    return next(iter(outputs_.values()))[0]


def findings(fit, boxes, scores, kinds, limit=None, floor=None, area=None, **more):
    """Boxes are corners in the network's pixels; `area` gives that of a row, and its box. Scores of each class by itself come
    in two axes and without `kinds`: each that counts is a finding."""
    rows = np.arange(len(scores))
    if kinds is None:
        boxes, rows = np.repeat(boxes, scores.shape[1], 0), np.repeat(rows, scores.shape[1])
        kinds, scores = np.tile(np.arange(scores.shape[1]), len(scores)), scores.ravel()
    boxes, scores, kinds = np.asarray(boxes), np.asarray(scores), np.asarray(kinds).astype(int)
    floor = p.floor_of(scores) if floor is None else floor
    keep = scores >= floor
    boxes, scores, kinds, rows = boxes[keep], scores[keep], kinds[keep], rows[keep]
    if limit is not None:
        stay = p.suppressed(boxes, scores, kinds, limit)
        boxes, scores, kinds, rows = boxes[stay], scores[stay], kinds[stay], rows[stay]
    back = fit.back(boxes)
    sized = (back[:, 2] > back[:, 0]) & (back[:, 3] > back[:, 1])
    listed = [
        {"class": int(c), "score": float(s), "edges": [float(v) for v in b], **({"area": area(r, n)} if area else {})}
        for b, n, s, c, r, ok in zip(back, boxes, scores, kinds, rows, sized)
        if ok
    ]
    return {"floor": floor, "findings": listed, **more}


def scores(values, **more):
    return {"scores": [float(v) for v in values], **more}


def refused(*words):
    return {"refused": list(words)}


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def spread(convs, forward, mean=-3.0, deviation=1.5):
    """Random weights score everything alike: the last layers are scaled so that their logits on the picture differ."""
    import torch

    seen = {}
    # a layer may look at several levels
    hooks = [c.register_forward_hook(lambda m, i, o: seen.setdefault(m, []).append(o.detach().float().flatten())) for c in convs]
    with torch.no_grad():
        forward()
    for h in hooks:
        h.remove()
    with torch.no_grad():
        for c in convs:
            o = torch.cat(seen.get(c, [torch.zeros(0)]))
            if o.numel() < 2:
                continue
            by = deviation / max(float(o.std()), 1e-9)
            c.weight.mul_(by)
            if c.bias is not None:
                c.bias.mul_(by).add_(mean - by * float(o.mean()))


def settled(net, forward):
    """Without weights a batch normalisation lets nearly nothing through, and all scores come out alike: it takes the statistics of one run."""
    import torch

    layers = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for m in layers:
        m.reset_running_stats()
        m.momentum = None
        m.train()
    with torch.no_grad():
        forward()
    for m in layers:
        m.eval()
