"""Packs COCO data sets into arrays that training reads without decoding.

Each source becomes prepared/NAME-CxHxW/pictures.npy, u8 [N, C, H, W] (plane 0 the picture, plane 1 the reference if the
recipe takes one), and truth.json with boxes x1, y1, x2, y2 in pixels of that array.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from .recipe import Job, job, parser


def letterbox(picture: np.ndarray, size, pad: int) -> tuple[np.ndarray, float, float, float]:
    """Fits a grey picture into (height, width); returns it with scale, left and top of its place."""
    height, width = size
    scale = min(height / picture.shape[0], width / picture.shape[1])
    new_h, new_w = round(picture.shape[0] * scale), round(picture.shape[1] * scale)
    if (new_h, new_w) != picture.shape:
        picture = np.asarray(Image.fromarray(picture).resize((new_w, new_h), Image.Resampling.BILINEAR))
    top, left = (height - new_h) // 2, (width - new_w) // 2
    out = np.full((height, width), pad, np.uint8)
    out[top : top + new_h, left : left + new_w] = picture
    return out, scale, left, top


def read_grey(path: Path) -> np.ndarray:
    """One picture as u8 grey [H, W]; 1-bit files expand to 0 and 255."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def prepare_source(work: Job, source: dict, training: bool) -> None:
    """Writes one source's arrays, unless they are there already."""
    folder = work.prepared(source, training)
    if (folder / "truth.json").is_file():
        print(f"{folder}: already prepared")
        return
    folder.mkdir(parents=True, exist_ok=True)
    coco_path = work.path(source["coco"])
    coco = json.loads(coco_path.read_text())
    root = work.path(source["images"])
    images = [i for i in coco["images"] if not i.get("label_overlay")]
    planes, *size = work.picture(training)
    pad = work.recipe["input"].get("pad_value", 114)
    array = np.lib.format.open_memmap(folder / "pictures.npy", "w+", np.uint8, (len(images), planes, *size))
    by_image: dict[int, list] = {}
    for a in coco["annotations"]:
        by_image.setdefault(a["image_id"], []).append(a)
    order = {c["id"]: i for i, c in enumerate(sorted(coco["categories"], key=lambda c: c["id"]))}
    truth = []
    for n, entry in enumerate(images):
        array[n, 0], scale, left, top = letterbox(read_grey(root / entry["file_name"]), size, pad)
        if planes == 2:
            array[n, 1], *_ = letterbox(read_grey(root / entry["template_file_name"]), size, pad)
        boxes, labels = [], []
        for a in by_image.get(entry["id"], []):
            x, y, w, h = a["bbox"]
            boxes.append([x * scale + left, y * scale + top, (x + w) * scale + left, (y + h) * scale + top])
            labels.append(order[a["category_id"]])
        truth.append({
            "image_id": entry["id"], "file_name": entry["file_name"], "group": entry.get("group", ""),
            "class_id": order.get(entry.get("class_id")), "scale": scale, "left": left, "top": top,
            "boxes": boxes, "labels": labels,
        })
        if n % 100 == 0 or n + 1 == len(images):
            print(f"\r{source['name']}: {n + 1}/{len(images)}", end="", flush=True)
    array.flush()
    names = [c["name"] for c in sorted(coco["categories"], key=lambda c: c["id"])]
    (folder / "truth.json").write_text(json.dumps({"classes": names, "images": truth}))
    print()


def main() -> None:
    p = parser(__doc__)
    p.add_argument("--no-test", action="store_true", help="leave the test part out, which training never reads")
    args = p.parse_args()
    work = job(args)
    for source in work.recipe["source"]:
        if not (args.no_test and source.get("role") == "test"):
            for training in (False, True)[: 2 if source.get("role", "train") == "train" else 1]:
                prepare_source(work, source, training)


if __name__ == "__main__":
    main()
