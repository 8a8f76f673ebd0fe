"""Measures an exported classifier with ONNX Runtime, on validation (the default) or, once, on the test part.

Writes RUN/report-ROLE-PRECISION.json with accuracy, the confusion, and the time of one picture.
"""

import json
import time

import numpy as np

from .evaluate import session
from .recipe import job, parser
from .train_classifier import held_out


def shares(net, pictures: np.ndarray, labels: np.ndarray) -> dict:
    """Accuracy, confusion [truth, found] and median time of an ONNX Runtime session, picture by picture."""
    found, taken = [], []
    for picture in pictures:
        x = picture[None].astype(np.float32) / np.float32(255)
        began = time.perf_counter()
        logits = net.run(None, {"images": x})[0][0]
        taken.append(time.perf_counter() - began)
        found.append(int(logits.argmax()))
    confusion = np.zeros((len(logits), len(logits)), int)
    np.add.at(confusion, (labels, np.asarray(found)), 1)
    return {"accuracy": float((np.asarray(found) == labels).mean()), "pictures": len(labels),
            "confusion": confusion.tolist(), "with_decoding_ms": float(np.median(taken) * 1e3)}


def main() -> None:
    p = parser(__doc__)
    p.add_argument("--role", choices=["validation", "test"], default="validation")
    p.add_argument("--precision", choices=["fp32", "int8"], default="fp32")
    args = p.parse_args()
    work = job(args)
    net = session(work.run / ("model.onnx" if args.precision == "fp32" else "model-int8.onnx"), args.threads)
    figures = shares(net, *held_out(work, args.role))
    confusion = np.asarray(figures["confusion"])
    figures["per_class"] = {c["code"]: float(confusion[i, i] / max(1, confusion[i].sum()))
                            for i, c in enumerate(work.recipe["classes"])}
    source = next(s["name"] for s in work.recipe["source"] if (s.get("role") == "test") == (args.role == "test"))
    result = {"role": args.role, "precision": args.precision, "parts": {source: figures}}
    (work.run / f"report-{args.role}-{args.precision}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
