"""Ultralytics: every family and task from its own configuration files, random weights."""

import os
import shutil

import numpy as np

import picture as p
from kit import case, findings, only, outputs, refused, scores, spread

os.environ.setdefault("YOLO_AUTOINSTALL", "false")
NAMES = {0: "Mouse_bite", 1: "Open Circuit", 2: "划痕"}
SIDE = 160


def export(path, yaml, names=NAMES, side=SIDE, seed=1, task=None, mean=-3.0, **how):
    import torch
    from ultralytics import RTDETR, YOLO
    from ultralytics.utils import YAML
    from ultralytics.nn.tasks import yaml_model_load

    torch.manual_seed(seed)
    work = os.path.dirname(path)
    loaded = yaml_model_load(yaml)
    loaded["nc"] = len(names)
    own = os.path.join(work, os.path.basename(yaml))
    YAML.save(own, loaded)
    yolo = RTDETR(own) if "detr" in yaml else YOLO(own, task=task)
    model = yolo.model
    model.names = names
    model.eval()
    head = model.model[-1]
    image = torch.rand(1, 3, side, side)

    def last(*attributes):
        all_ = [b for a in attributes for b in getattr(head, a, None) or []]
        all_ = [b[-1] if isinstance(b, torch.nn.Sequential) else b for b in all_]
        return [m for m in all_ if isinstance(m, torch.nn.Conv2d)]

    convs = last("cv3", "one2one_cv3")
    if "detr" in yaml:
        convs = [head.enc_score_head, *head.dec_score_head]
    if "cls" in yaml:
        convs = [head.linear]
        spread(convs, lambda: model(image), 0.0, 2.0)
    elif "sem" not in yaml and "depth" not in yaml:
        spread(convs, lambda: model(image), mean, 1.5)
        # boxes of many sizes, none much larger than the picture
        bins = getattr(head, "reg_max", 1)
        reach = (1.2, 0.03) if bins == 1 else (0.0, 0.6)
        if "detr" not in yaml:
            edges = last("cv2", "one2one_cv2")
            spread(edges, lambda: model(image), *reach)
            for conv in edges if bins > 1 else []:
                conv.bias.data -= torch.arange(conv.bias.numel()) % bins * 1.2
    written = yolo.export(format="onnx", imgsz=side, simplify=False, verbose=False, **how)
    shutil.move(written, path)
    return path


def boxed(path, side=SIDE):
    return p.letterbox(p.picture(), side, side)


def detector(name, yaml, **how):
    @case("ultralytics-" + name)
    def make(path):
        export(path, yaml, **how)
        fit = boxed(path)
        out = only(outputs(path, p.planes(fit.tensor)))
        if out.shape[1] == 6:
            out = out[np.abs(out).sum(1) > 0]
            where, best, what, limit = out[:, :4], out[:, 4], out[:, 5], None
        else:
            classes = out[4:].T
            where, best, what, limit = p.corners(out[:4].T), classes, None, 0.5
        return findings(fit, where, best, what, limit, names=list(NAMES.values()))


def segmented(name, yaml, **how):
    @case("ultralytics-" + name)
    def make(path):
        import torch

        export(path, yaml, **how)
        fit = boxed(path)
        found = {k: v[0] for k, v in outputs(path, p.planes(fit.tensor)).items()}
        table = next(v for v in found.values() if v.ndim == 2)
        prototypes = next(v for v in found.values() if v.ndim == 3)
        m = len(prototypes)
        if table.shape[1] == 6 + m:
            table = table[np.abs(table).sum(1) > 0]
            where, best, what, weights, limit = table[:, :4], table[:, 4], table[:, 5], table[:, 6:], None
        else:
            scores_ = table[4:-m].T
            where, best, what, limit = p.corners(table[:4].T), scores_, None, 0.5
            weights = table[-m:].T

        def area(row, box):
            mixed = torch.from_numpy(np.tensordot(weights[row], prototypes, 1))[None, None]
            large = torch.nn.functional.interpolate(mixed, (SIDE, SIDE), mode="bilinear", align_corners=False)[0, 0].numpy()
            y, x = np.mgrid[0:SIDE, 0:SIDE] + 0.5
            low, high = fit.back(box)[0][:2] * fit.scale + fit.offset, fit.back(box)[0][2:] * fit.scale + fit.offset
            inside = (x >= low[0]) & (x < high[0]) & (y >= low[1]) & (y < high[1])
            return float(((large > 0) & inside).sum() / fit.scale.prod())

        return findings(fit, where, best, what, limit, area=area, names=list(NAMES.values()))


def not_read(name, yaml, *words, **how):
    @case("ultralytics-" + name)
    def make(path):
        export(path, yaml, **how)
        return refused(*words)


detector("v8", "yolov8n.yaml")
detector("v8-dynamic", "yolov8n.yaml", dynamic=True)
detector("v8-batch-3", "yolov8n.yaml", batch=3)
detector("v5u", "yolov5n.yaml")
detector("v3-tiny", "yolov3-tiny.yaml")
detector("v6", "yolov6n.yaml")
detector("v9", "yolov9t.yaml")
detector("11", "yolo11n.yaml")
detector("12", "yolo12n.yaml")
detector("v8-p2", "yolov8n-p2.yaml")
detector("v8-half", "yolov8n.yaml", half=True)
detector("26-not-end2end", "yolo26n.yaml", end2end=False)
detector("v10-not-end2end", "yolov10n.yaml", end2end=False)
detector("v8-nms", "yolov8n.yaml", nms=True, mean=-1.0)
detector("11-nms-dynamic", "yolo11n.yaml", nms=True, dynamic=True, mean=-1.0)
detector("v10", "yolov10n.yaml", seed=4)
detector("26", "yolo26n.yaml")
detector("26-end2end", "yolo26n.yaml", end2end=True)
segmented("v8-seg", "yolov8n-seg.yaml")
segmented("11-seg", "yolo11n-seg.yaml")
segmented("12-seg-dynamic", "yolo12n-seg.yaml", dynamic=True)
segmented("26-seg", "yolo26n-seg.yaml")
segmented("v8-seg-nms", "yolov8n-seg.yaml", nms=True, mean=-1.0)
not_read("v8-pose", "yolov8n-pose.yaml", "pose")
not_read("26-pose", "yolo26n-pose.yaml", "pose")
not_read("v8-obb", "yolov8n-obb.yaml", "oriented boxes")
not_read("11-obb-nms", "yolo11n-obb.yaml", "oriented boxes", nms=True)
not_read("26-obb", "yolo26n-obb.yaml", "oriented boxes")
not_read("26-sem", "yolo26n-sem.yaml", "semantic")
not_read("26-depth", "yolo26n-depth.yaml", "depth")


@case("ultralytics-rtdetr")
def rtdetr(path):
    export(path, "rtdetr-l.yaml")
    fit = p.stretched(p.picture(), SIDE, SIDE)
    out = only(outputs(path, p.planes(fit.tensor)))
    if out.shape[1] == 6:
        where, best, what = out[:, :4], out[:, 4], out[:, 5]
    else:
        where, best, what = out[:, :4], out[:, 4:], None
    return findings(fit, p.corners(where * SIDE), best, what, names=list(NAMES.values()))


def classifier(name, yaml, names):
    @case("ultralytics-" + name)
    def make(path):
        export(path, yaml, names=names, task="classify")
        tensor = p.cropped(p.picture(), SIDE, SIDE)
        return scores(only(outputs(path, p.planes(tensor))), names=list(names.values()))


classifier("v8-cls", "yolov8n-cls.yaml", {0: "ok", 1: "scratch", 2: "dent"})
classifier("11-cls", "yolo11n-cls.yaml", {0: "scratch", 1: "ok"})
classifier("26-cls", "yolo26n-cls.yaml", {0: "good", 1: "bad"})
