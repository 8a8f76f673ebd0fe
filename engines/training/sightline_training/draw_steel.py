"""Draws steel-like pictures for golden results: grain and rolling marks, and on some of them scratches, dark patches, flecks,
pits, or a texture of ridges and blobs.

They look a little like hot-rolled strip and come from no data set. A golden result says what the shipped model must
answer to them on every engine, not what is right. Kinds and seeds were searched until each class of the models had a picture
that both precisions answer alike; the numbers of the textures are what that search found.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZE = 200

# Rows and columns of a field of noise, width or threshold, depth in grey levels.
TEXTURES = {
    "crazed": {"base": 143, "grain": 15.46372346002553, "marks": 4.022685720841878, "blur": 0.4917242387035649, "mask": 5,
               "ridges": [(37, 81, 0.501756700035234, 30.785608049870145), (34, 23, 0.34326872604576136, -21.83818441349096),
                          (37, 44, 0.07973033390596002, -38.36976527044872)],
               "blobs": [(90, 21, 1.0775560528232184, 67.21575911426307)]},
    "scaled": {"base": 94, "grain": 13.218993857587547, "marks": 0.06369910135117063, "blur": 0.35762605244417106, "mask": 3,
               "ridges": [(33, 49, 0.3336234418243989, -29.283846637642768), (46, 22, 0.1539216151565846, 10.007699570330827)],
               "blobs": [(15, 45, -0.05730761480099967, 39.38107842392378), (96, 6, 1.1723734637859908, 35.86837541683424)]},
    "netted": {"base": 129, "grain": 16.823091890039287, "marks": 2.2099316979010504, "blur": 0.5345253573952512, "mask": None,
               "ridges": [(65, 65, 0.37109092956627887, 71.28152552270693), (46, 62, 0.4162231998960446, 18.285939342219617),
                          (6, 39, 0.22520006428333728, -26.178971734758502)],
               "blobs": [(48, 73, -0.3306876304149575, 15.971699565652962), (74, 21, 1.3327950738922338, 47.17597412719179)]},
}


def strip(rng: np.random.Generator, base: float = 130, grain: float = 9, marks: float = 5) -> Image.Image:
    """Bare strip: grain smeared along the rolling direction."""
    noise = rng.normal(0, 1, (SIZE, SIZE))
    rolled = rng.normal(0, 1, (1, SIZE)).repeat(SIZE, 0)
    grey = np.clip(base + grain * noise + marks * rolled, 0, 255).astype(np.uint8)
    return Image.fromarray(grey).filter(ImageFilter.GaussianBlur(0.8))


def field(rng: np.random.Generator, rows: int, columns: int | None = None) -> np.ndarray:
    """Smooth noise of so many cells."""
    low = rng.normal(0, 1, (rows, columns or rows)).astype(np.float32)
    return np.asarray(Image.fromarray(low).resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def picture_of(grey: np.ndarray, blur: float) -> Image.Image:
    """Grey levels as a picture, a little out of focus."""
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(blur))


def scratched(rng: np.random.Generator) -> Image.Image:
    """Strip with bright lines along it."""
    picture = strip(rng)
    pen = ImageDraw.Draw(picture)
    for _ in range(3):
        x, y = rng.integers(20, SIZE - 20), rng.integers(0, 60)
        pen.line([(x, y), (x + rng.integers(-4, 5), y + rng.integers(80, 140))], fill=235, width=2)
    return picture.filter(ImageFilter.GaussianBlur(0.6))


def patched(rng: np.random.Generator) -> Image.Image:
    """Strip with dark irregular patches."""
    low = rng.normal(0, 1, (8, 8)).astype(np.float32)
    blotches = np.asarray(Image.fromarray(low).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    grey = np.asarray(strip(rng), np.float32) - 70 * (blotches > 0.9)
    return picture_of(grey, 0.8)


def blotched(rng: np.random.Generator) -> Image.Image:
    """As patched, of any size, depth and ground."""
    low = field(rng, int(rng.integers(4, 9)))
    ground = strip(rng, int(rng.integers(120, 190)), rng.uniform(2, 9), rng.uniform(0, 5))
    return picture_of(np.asarray(ground, np.float32) - rng.uniform(40, 100) * (low > rng.uniform(0.6, 1.2)), 0.8)


def flecked(rng: np.random.Generator) -> Image.Image:
    """Strip with long dark flecks."""
    picture = strip(rng, int(rng.integers(110, 200)), rng.uniform(2, 8), rng.uniform(0, 4))
    pen = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(1, 4))):
        x, y, w, h = rng.integers(20, 180), rng.integers(10, 140), rng.integers(2, 9), rng.integers(15, 70)
        for _ in range(6):
            dx, dy = rng.integers(-3, 4), rng.integers(-8, 9)
            pen.ellipse([x + dx - w, y + dy, x + dx + w, y + dy + h], fill=int(rng.integers(20, 80)))
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.6, 1.5)))


def pitted(rng: np.random.Generator) -> Image.Image:
    """Strip with small dark pits on a part of it."""
    ground = np.asarray(strip(rng, rng.integers(90, 170), rng.uniform(3, 10), rng.uniform(0, 4)), np.float32)
    pits = field(rng, int(rng.integers(30, 90)), int(rng.integers(30, 90)))
    where = field(rng, 3) > rng.uniform(-1, 0.5)
    return picture_of(ground - rng.uniform(20, 90) * (pits > rng.uniform(0.8, 1.5)) * where, rng.uniform(0.5, 1.2))


def bare(rng: np.random.Generator) -> Image.Image:
    """Strip of one grey and hardly any grain: the one on which the detector finds nothing."""
    return strip(rng, int(rng.integers(110, 160)), rng.uniform(0, 2), rng.uniform(0, 1))


def texture(rng: np.random.Generator, t: dict) -> Image.Image:
    """Strip under ridges and blobs of noise."""
    ground = np.asarray(strip(rng, t["base"], t["grain"], t["marks"]), np.float32)
    ridges = sum(depth * np.exp(-((field(rng, rows, columns) / width) ** 2)) for rows, columns, width, depth in t["ridges"])
    blobs = sum(depth * np.clip(field(rng, rows, columns) - least, 0, 2) for rows, columns, least, depth in t["blobs"])
    mask = 1 if t["mask"] is None else np.clip(field(rng, t["mask"]) * 1.5 + 0.6, 0, 1)
    return picture_of(ground - (ridges + blobs) * mask, t["blur"])


DRAW = {"strip": strip, "scratched": scratched, "patched": patched, "blotched": blotched, "flecked": flecked, "pitted": pitted,
        "bare": bare, **{name: (lambda rng, t=t: texture(rng, t)) for name, t in TEXTURES.items()}}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("out", type=Path, help="folder of the golden pictures")
    p.add_argument("drawings", nargs="*", default=["strip-1", "scratched-2", "patched-3"],
                   help=f"kind-seed, kind one of {', '.join(DRAW)}")
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for drawing in args.drawings:
        kind, seed = drawing.split("-")
        DRAW[kind](np.random.default_rng(int(seed))).save(args.out / f"steel-{seed}.png", optimize=True)


if __name__ == "__main__":
    main()
