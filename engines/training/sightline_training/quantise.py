"""Makes the INT8 file of an exported model: three calibrations compared on validation boards, the best kept.

Refuses the result if it loses more than the recipe's limit against the float file, and prints the table either way.
Writes RUN/model-int8-s8.onnx (symmetric s8, for TensorRT) and RUN/model-int8.onnx (u8, for ONNX Runtime).
"""

import json
import time

import numpy as np
import onnx

from . import calibrate, qdq
from .augment import Part
from .evaluate import parts, run, session
from .metrics import detection_report
from .prepared import truth_of
from .recipe import Job, job, parser
from .train import parts as training_parts


def samples(work: Job, count: int) -> list[np.ndarray]:
    """Calibration pictures [1, C, H, W], drawn evenly from the training parts with a fixed seed."""
    rng = np.random.default_rng(work.recipe["seed"])
    sources: list[Part] = training_parts(work)
    out = []
    for n in range(count):
        part = sources[n % len(sources)]
        out.append(part.pictures[int(rng.choice(part.rows))][None].astype(np.float32) / np.float32(255))
    return out


def final_convolutions(graph: qdq.Graph) -> set[str]:
    """The last convolution of each head branch: no activation reads it, its output is decoded in float."""
    active = {"Relu", "Sigmoid", "Mul", "HardSwish", "HardSigmoid"}
    return {n.name for n in graph.graph.node if n.op_type == "Conv"
            and not any(u.op_type in active for u in graph.users[n.output[0]])}


def figures(work: Job, path, threads: int) -> tuple[float, float]:
    """Mean AP@50 and pooled AP@33 over the validation parts."""
    net = session(path, threads)
    rows = [detection_report(run(net, p, rows), [truth_of(i[r]) for r in rows], len(work.recipe["classes"]))
            for _, p, i, rows in parts(work, "validation")]
    return float(np.mean([r["ap50"] for r in rows])), float(np.mean([r["ap33_pooled"] for r in rows]))


def measured(work: Job) -> tuple[float, float]:
    """The float file's figures, which evaluate.py has measured already."""
    path = work.run / "report-validation-fp32.json"
    if not path.is_file():
        raise SystemExit(f"{path} is not there; measure the FP32 file first: python -m sightline_training.evaluate")
    rows = list(json.loads(path.read_text())["parts"].values())
    return float(np.mean([r["ap50"] for r in rows])), float(np.mean([r["ap33_pooled"] for r in rows]))


def time_ms(path, threads: int, shape, repeats: int = 30) -> float:
    """Median time of one run in milliseconds."""
    net, x = session(path, threads), np.zeros(shape, np.float32)
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        net.run(None, {"images": x})
        taken.append(time.perf_counter() - began)
    return float(np.median(taken) * 1e3)


def main() -> None:
    p = parser(__doc__)
    p.add_argument("--pictures", type=int, default=64, help="calibration pictures")
    p.add_argument("--methods", nargs="+", choices=list(calibrate.METHODS), default=list(calibrate.METHODS))
    args = p.parse_args()
    work = job(args)
    float_path = work.run / "model.onnx"
    model = onnx.load(str(float_path))
    graph = qdq.Graph(model)
    kept_float = final_convolutions(graph)
    names = qdq.activations(graph, qdq.body(graph, kept_float))
    histograms = calibrate.observe(model, names, samples(work, args.pictures))
    shape = (1, len(work.recipe["input"]["channels"]), work.recipe["input"]["height"], work.recipe["input"]["width"])
    table = [("float", *measured(work), time_ms(float_path, args.threads, shape))]
    best = None
    for method in args.methods:
        choose = calibrate.METHODS[method]
        quantised = qdq.insert(model, {n: choose(h) for n, h in histograms.items()}, kept_float)
        path = work.run / f"int8-{method}.onnx"
        onnx.save(qdq.for_onnx_runtime(quantised), str(path))
        row = (method, *figures(work, path, args.threads), time_ms(path, args.threads, shape))
        table.append(row)
        if best is None or row[1] + row[2] > best[0][1] + best[0][2]:
            best = (row, quantised, path)
    print(f"{'':12}{'AP@50':>9}{'AP@33':>9}{'ms':>8}")
    for name, ap50, ap33, ms in table:
        print(f"{name:12}{ap50:9.4f}{ap33:9.4f}{ms:8.2f}")
    row, quantised, path = best
    lost = max(table[0][1] - row[1], table[0][2] - row[2])
    most = work.recipe["int8"]["most_lost"]
    if lost > most:
        raise SystemExit(f"refused: {row[0]} loses {lost:.4f} of the float file's figure, at most {most} is allowed")
    onnx.save(quantised, str(work.run / "model-int8-s8.onnx"))
    path.replace(work.run / "model-int8.onnx")
    print(f"kept {row[0]}: loses {lost:.4f}, {row[3]:.2f} ms against {table[0][3]:.2f} ms in float")


if __name__ == "__main__":
    main()
