"""Makes the INT8 file of an exported model: three calibrations compared on validation parts, the best kept.

Refuses the result if it loses more than the recipe's limit against the float file, or is not clearly faster here (see
accept.py), and prints the table either way; then the exit code is 3 and there is no INT8 file. Writes
RUN/model-int8-s8.onnx (symmetric s8, for TensorRT) and RUN/model-int8.onnx (u8, the same numbers, for ONNX Runtime).

A recipe may ask for channels to be evened out first (`equalise`; see equalise.py), which depthwise layers need.

With --all, likewise the files in RUN/all, by the calibration that was kept without: both files have seen the validation
parts, so their figures say nothing but how near INT8 is to float.
"""

import time

import numpy as np
import onnx

from . import calibrate, equalise, qdq
from .accept import REFUSED, show, verdict
from .augment import Part
from .evaluate import run, session
from .evaluate_classifier import shares
from .metrics import detection_report
from .prepared import of_role, truth_of
from .recipe import Job, exports_parser, job
from .train import parts
from .train_classifier import batch, false_calls, held_out


def samples(work: Job, count: int) -> list[np.ndarray]:
    """Calibration pictures [1, C, H, W]: drawn evenly from the training parts with a fixed seed, or, where a recipe
    trains on crops, such crops."""
    rng = np.random.default_rng(work.recipe["seed"])
    sources: list[Part] = parts(work, training=False)
    if work.recipe.get("samples") == "crops":
        crops = batch(work, sources, false_calls(work, held=False), 0)[0][:count, None]
        return list(crops.astype(np.float32) / np.float32(255))
    out = []
    for n in range(count):
        part = sources[n % len(sources)]
        out.append(part.pictures[int(rng.choice(part.rows))][None].astype(np.float32) / np.float32(255))
    return out


def final_layers(graph: qdq.Graph) -> set[str]:
    """Names of the convolutions and matrices that no other reads, however far behind: what they say is decoded in float."""
    leading: set[str] = set()
    final = set()
    for node in reversed(graph.graph.node):
        layer, leads = node.op_type in {"Conv", "Gemm"}, not leading.isdisjoint(node.output)
        if layer and not leads:
            final.add(node.name)
        if layer or leads:
            leading.update(node.input)
    return final


def figures(work: Job, path, threads: int) -> dict[str, float]:
    """What a file achieves on the validation parts, by name, each 0..1."""
    net = session(path, threads)
    if work.recipe["task"] == "classify":
        return {"accuracy": shares(net, *held_out(work, "validation"))["accuracy"]}
    rows = [detection_report(run(work, net, p, rows), [truth_of(i[r]) for r in rows], len(work.recipe["classes"]))
            for _, p, i, rows in of_role(work, "validation") if any(len(i[r]["labels"]) for r in rows)]
    return {k: float(np.mean([r[k] for r in rows])) for k in ("ap50", "ap33_pooled")}


def time_ms(paths: list, threads: int, shape, repeats: int = 40) -> list[float]:
    """Least time of one run of each file in milliseconds, by turns: what a busy machine adds is not the file's."""
    nets, x = [session(path, threads) for path in paths], np.zeros(shape, np.float32)
    taken: list[list[float]] = [[] for _ in nets]
    for _ in range(repeats):
        for net, times in zip(nets, taken):
            began = time.perf_counter()
            net.run(None, {"images": x})
            times.append((time.perf_counter() - began) * 1e3)
    return [min(times) for times in taken]


def main() -> None:
    p = exports_parser(__doc__)
    p.add_argument("--pictures", type=int, help="calibration pictures, instead of the recipe's number")
    p.add_argument("--methods", nargs="+", choices=list(calibrate.METHODS), default=list(calibrate.METHODS))
    args = p.parse_args()
    work = job(args)
    folder, chosen = work.exports(args.all), work.run / "int8-method.txt"
    float_path, kept = folder / "model.onnx", folder / "model-int8.onnx"
    kept.unlink(missing_ok=True)
    if args.all:
        if not chosen.is_file():
            print("no calibration was kept without --all")
            raise SystemExit(REFUSED)
        args.methods = [chosen.read_text().strip()]
    else:
        chosen.unlink(missing_ok=True)
    model, means, recipe = onnx.load(str(float_path)), None, work.recipe["int8"]
    pictures = samples(work, args.pictures or recipe.get("pictures", 64))
    if recipe.get("equalise"):
        model = equalise.equalised(model, pictures)
        means = equalise.read_means(model, pictures)
    graph = qdq.Graph(model)
    kept_float = final_layers(graph)
    names = qdq.activations(graph, qdq.body(graph, kept_float))
    histograms = calibrate.observe(model, names, pictures)
    made, paths = {}, [float_path]
    for method in args.methods:
        ranges = {n: calibrate.METHODS[method](h) for n, h in histograms.items()}
        made[method] = qdq.insert(model, ranges, kept_float, means)
        paths.append(folder / f"int8-{method}.onnx")
        onnx.save(qdq.for_onnx_runtime(made[method]), str(paths[-1]))
    size = work.recipe["input"]
    rows = [figures(work, path, args.threads) for path in paths]
    ms = time_ms(paths, args.threads, (1, len(size["channels"]), size["height"], size["width"]))
    table = show(["float", *args.methods], rows, ms)
    print(table)
    (folder / "int8-table.txt").write_text(table + "\n")
    best, lost, reason = verdict(rows, ms, recipe["most_lost"])
    method = args.methods[best - 1]
    if reason:
        print(f"refused: the best INT8 file is {method}'s, but {reason}")
        raise SystemExit(REFUSED)
    onnx.save(made[method], str(folder / "model-int8-s8.onnx"))
    paths[best].replace(kept)
    if not args.all:
        chosen.write_text(method + "\n")
    print(f"kept {method}: loses {lost:.4f}, {ms[best]:.2f} ms against {ms[0]:.2f} ms in float")


if __name__ == "__main__":
    main()
