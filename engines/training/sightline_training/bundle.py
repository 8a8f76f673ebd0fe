"""Assembles models/NAME: the exported files, manifest.toml with their digests, and the golden results.

With --all the files are those of the training on everything, the limits and figures those of its twin that held validation
out.

Golden pictures lie in models/NAME/golden already (drawn by the simulated line, never out of a data set): X.png, and
X-reference.png where the recipe takes a reference. Their expected results are what the FP32 file finds; the tolerance
has room for the INT8 file, whose boxes differ by up to 2 pixels on them.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np

from .boxes import findings
from .evaluate import FLOOR, session
from .limits import read_limits
from .prepare import letterbox, read_grey
from .recipe import Job, exports_parser, job

FILES = {"fp32": "model.onnx", "int8": "model-int8.onnx"}


def quoted(text: str) -> str:
    """A TOML basic string."""
    return json.dumps(text, ensure_ascii=False)


def file_tables(folder: Path) -> list[str]:
    """One [[files]] table for each precision that is there."""
    lines = []
    for precision, name in FILES.items():
        path = folder / name
        if path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines += ["", "[[files]]", f'path = "{name}"', 'role = "model"', f'precision = "{precision}"',
                      f'sha256 = "{digest}"', f"size = {path.stat().st_size}"]
    return lines


def golden_file_tables(folder: Path) -> list[str]:
    """One [[files]] table for each file of the golden pictures: a signature of the manifest covers them by their digests."""
    lines = []
    for path in sorted((folder / "golden").iterdir()):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines += ["", "[[files]]", f'path = "golden/{path.name}"', 'role = "golden"', f'sha256 = "{digest}"',
                  f"size = {path.stat().st_size}"]
    return lines


def input_table(recipe: dict) -> list[str]:
    """The [input] table."""
    r = recipe["input"]
    return ["", "[input]", 'name = "images"', f"width = {r['width']}", f"height = {r['height']}", 'layout = "nchw"',
            'dtype = "f32"', 'color = "gray"', "scale = 0.00392156862745098", "mean = [0.0]", "std = [1.0]",
            'resize = "letterbox"', f"pad_value = {r.get('pad_value', 114)}", f"channels = {json.dumps(r['channels'])}"]


def class_tables(recipe: dict, limits: np.ndarray) -> list[str]:
    """One [[classes]] table a class, in the order of the outputs."""
    lines = []
    for i, c in enumerate(recipe["classes"]):
        lines += ["", "[[classes]]", f"id = {i}", f"code = {quoted(c['code'])}",
                  f"name = {{ en = {quoted(c['en'])}, zh = {quoted(c['zh'])} }}",
                  f'severity = "{c["severity"]}"', f"default_limit = {limits[i]:.2f}"]
    return lines


def expected_detections(work: Job, output, placed, limits: np.ndarray) -> dict:
    """What a detector's output says of a picture, in that picture's own pixels; findings at or above the limits."""
    _, scale, left, top = placed
    found = []
    for box, score, label in zip(*findings(output, FLOOR, **work.suppression)):
        if score >= limits[label]:
            x0, y0, x1, y1 = ((box - [left, top, left, top]) / scale).round(2).tolist()
            found.append({"class": work.recipe["classes"][label]["code"], "score": round(float(score), 4),
                          "bbox_px": {"x": x0, "y": y0, "w": round(x1 - x0, 2), "h": round(y1 - y0, 2)}})
    return {"detections": found}


def expected_class(work: Job, logits) -> dict:
    """The class a classifier names, with its share after softmax."""
    share = np.exp(logits - logits.max())
    share /= share.sum()
    return {"class": work.recipe["classes"][int(share.argmax())]["code"], "score": round(float(share.max()), 4)}


def golden_tables(work: Job, folder: Path, net, limits: np.ndarray) -> list[str]:
    """Runs the golden pictures, writes what they must give, and names them."""
    r, lines = work.recipe["input"], []
    for path in sorted((folder / "golden").glob("*.png")):
        if path.stem.endswith("-reference"):
            continue
        pictures = [path]
        if len(r["channels"]) == 2:
            pictures.append(path.with_name(f"{path.stem}-reference.png"))
        placed = [letterbox(read_grey(p), (r["height"], r["width"]), r.get("pad_value", 114)) for p in pictures]
        x = np.stack([p[0] for p in placed])[None].astype(np.float32) / np.float32(255)
        output = net.run(None, {"images": x})[0][0]
        classify = work.recipe["task"] == "classify"
        result = expected_class(work, output) if classify else expected_detections(work, output, placed[0], limits)
        expected = path.with_suffix(".json")
        expected.write_text(json.dumps(result, indent=1) + "\n")
        lines += ["", "[[golden]]", f'image = "golden/{path.name}"']
        if len(pictures) == 2:
            lines.append(f'reference = "golden/{pictures[1].name}"')
        lines += [f'expected = "golden/{expected.name}"', "tolerance = { score = 0.03, box_px = 3.0 }"]
    return lines


def decoder_table(work: Job) -> list[str]:
    """The [decoder] table of the recipe's task."""
    if work.recipe["task"] == "classify":
        return ["", "[decoder]", 'kind = "classifier"', "version = 1", 'activation = "softmax"']
    how = work.suppression
    return ["", "[decoder]", 'kind = "yolo-v8"', "version = 1", f"score_floor = {FLOOR}", f"iou_threshold = {how['iou']}",
            *(["merge = true"] if how["merge"] else []), "max_detections = 300"]


def metrics_table(work: Job, everything: bool) -> list[str]:
    """The [metrics] tables, from the reports evaluate.py wrote; they are the twin's if what ships saw everything."""
    whose = ", by the twin of these weights that was not trained on them" if everything else ""
    lines, step = [], "evaluate_classifier" if work.recipe["task"] == "classify" else "evaluate"
    for path in sorted(work.run.glob("report-*.json")):
        report = json.loads(path.read_text())
        for name, figures in report["parts"].items():
            lines += ["", f'[metrics.{report["role"]}-{report["precision"]}-{name}]',
                      f'data = "{name}, {report["role"]}, {figures["pictures"]} pictures{whose}"',
                      f'command = "python -m sightline_training.{step} {work.name} --role {report["role"]} '
                      f'--precision {report["precision"]}"']
            if "limits" in report:
                limits = ", ".join(f"{quoted(k)} = {v:.2f}" for k, v in report["limits"].items())
                lines.append(f"limits = {{ {limits} }}")
            lines += [f"{k} = {v:.4f}" for k, v in figures.items()
                      if isinstance(v, float) and not k.endswith("_ms")]
    return lines


def main() -> None:
    p = exports_parser(__doc__)
    p.add_argument("--out", type=Path, default=Path("models"))
    p.add_argument("--precision", choices=["fp32", "both"], default="both", help="which files ship")
    args = p.parse_args()
    work = job(args)
    folder = args.out / work.name
    folder.mkdir(parents=True, exist_ok=True)
    for precision, name in FILES.items():
        (folder / name).unlink(missing_ok=True)
        made = work.exports(args.all) / name
        if made.is_file() and (precision == "fp32" or args.precision == "both"):
            shutil.copyfile(made, folder / name)
    r = work.recipe
    limits = np.full(len(r["classes"]), 0.5) if r["task"] == "classify" else read_limits(work.run)
    lines = ['schema = "sightline.bundle.v1"', f'name = "{work.name}"', f'version = "{r["version"]}"',
             f'task = "{r["task"]}"',
             f"license = {quoted(r['license'])}", f"source = {quoted(r['trained'])}", 'min_app = "0.1.0"']
    golden = golden_tables(work, folder, session(folder / "model.onnx", 0), limits)
    lines += file_tables(folder) + golden_file_tables(folder) + input_table(r)
    lines += decoder_table(work) + class_tables(r, limits) + golden
    lines += metrics_table(work, args.all)
    (folder / "manifest.toml").write_text("\n".join(lines) + "\n")
    print(f"{folder}: {', '.join(sorted(f.name for f in folder.iterdir()))}")


if __name__ == "__main__":
    main()
