"""Measures an exported file with ONNX Runtime: on the validation boards (the default) or on the test part.

The test part is for the card, once, at the end; nothing is chosen on it. Writes RUN/report-ROLE-PRECISION.json.
"""

import json
import time
from pathlib import Path

import numpy as np
import onnxruntime

from .boxes import findings
from .limits import choose, read_limits
from .metrics import at_limits, detection_report
from .prepared import of_role, truth_of
from .recipe import Job, job, parser

FLOOR = 0.01  # least score of a finding


def session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(work: Job, net: onnxruntime.InferenceSession, pictures, rows, planes=None) -> list:
    """Findings of the rows, one picture at a time, as the station sees them."""
    out = []
    for n, row in enumerate(rows):
        x = np.asarray(pictures[row])
        x = x if planes is None else x[planes]
        output = net.run(None, {"images": x[None].astype(np.float32) / np.float32(255)})[0]
        out.append(findings(output[0], FLOOR, **work.suppression))
        if n % 20 == 0 or n + 1 == len(rows):
            print(f"\r{n + 1}/{len(rows)} pictures", end="", flush=True)
    print()
    return out


def part_figures(found: list, truth: list, limits: np.ndarray) -> dict:
    """Parts called wrong: clean ones with a finding, defective ones without; None where there are no such parts."""
    alarmed = np.array([bool((s >= limits[l]).any()) for _, s, l in found])
    bad = np.array([len(t[1]) > 0 for t in truth])
    return {"overkill": float(alarmed[~bad].mean()) if (~bad).any() else None,
            "escapes": float((~alarmed[bad]).mean()) if bad.any() else None}


def report(work: Job, net, role: str, precision: str) -> dict:
    """All figures of a role's parts; on validation the limits are chosen first and kept."""
    codes = [c["code"] for c in work.recipe["classes"]]
    results = {}
    for source, pictures, images, rows in of_role(work, role):
        began = time.perf_counter()
        found = run(work, net, pictures, rows)
        each_ms = (time.perf_counter() - began) / len(rows) * 1e3
        clean = run(work, net, pictures, rows, [1, 1]) if pictures.shape[1] == 2 else None
        results[source["name"]] = (found, [truth_of(images[i]) for i in rows], clean, each_ms)
    if role == "validation" and precision == "fp32":
        choose(work, [r[:3] for r in results.values()])
    limits = read_limits(work.run)
    out = {"role": role, "precision": precision, "limits": dict(zip(codes, limits.tolist())), "parts": {}}
    for name, (found, truth, clean, each_ms) in results.items():
        figures = {}
        if any(len(t[1]) for t in truth):
            figures = detection_report(found, truth, len(codes))
            figures["per_class"] = dict(zip(codes, figures["per_class"]))
            figures |= {f"{k}_at_limits": v for k, v in at_limits(found, truth, limits, 0.5).items()}
        figures |= part_figures(found, truth, limits)
        figures |= {"pictures": len(truth), "with_decoding_ms": each_ms}
        if clean is not None:
            none = [(np.zeros((0, 4)), np.zeros(0, np.int64))] * len(clean)
            figures["clean_references_with_finding"] = part_figures(clean, none, limits)["overkill"]
        out["parts"][name] = figures
    return out


def main() -> None:
    p = parser(__doc__)
    p.add_argument("--role", choices=["validation", "test"], default="validation")
    p.add_argument("--precision", choices=["fp32", "int8"], default="fp32")
    args = p.parse_args()
    work = job(args)
    path = work.run / ("model.onnx" if args.precision == "fp32" else "model-int8.onnx")
    result = report(work, session(path, args.threads), args.role, args.precision)
    text = json.dumps(result, indent=1)
    (work.run / f"report-{args.role}-{args.precision}.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
