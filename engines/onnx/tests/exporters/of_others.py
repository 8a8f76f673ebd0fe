"""RF-DETR, the first YOLOv5, YOLOX."""

import glob
import os
import shutil

import numpy as np

import picture as p
from kit import case, findings, only, outputs, refused, sigmoid, spread


def rf_detr(name, model, classes=3, **how):
    @case("rf-detr" + name)
    def make(path):
        import rfdetr
        import torch

        torch.manual_seed(2)
        net = getattr(rfdetr, model)(pretrain_weights=None, num_classes=classes, device="cpu", **how)
        inner = net.model.model
        heads = [m for n, m in inner.named_modules() if isinstance(m, torch.nn.Linear) and "class_embed" in n]
        side = net.model.resolution
        spread(heads, lambda: inner.eval()(torch.rand(1, 3, side, side)), -2.0, 1.5)
        work = os.path.dirname(path)
        net.export(output_dir=work, verbose=False)
        written = [f for f in glob.glob(os.path.join(work, "*.onnx")) if f != path]
        shutil.move(written[0], path)
        fit = p.stretched(p.picture(), side, side, antialias=True)
        found = outputs(path, p.planes(fit.tensor, *p.IMAGENET))
        # the last column means nothing
        probability = sigmoid(found["labels"][0])[:, :-1]
        return findings(fit, p.corners(found["dets"][0] * side), probability, None, floor=None)


rf_detr("-nano", "RFDETRNano")
rf_detr("-small", "RFDETRSmall")


def yolo_v5(name, classes, raw=False):
    @case("yolov5" + name)
    def make(path):
        import torch
        import yolov5
        from yolov5.models.yolo import Model

        torch.manual_seed(4)
        side = 160
        own = os.path.join(os.path.dirname(yolov5.__file__), "models", "yolov5n.yaml")
        net = Model(own, ch=3, nc=classes).eval()
        head = net.model[-1]
        head.export = True
        spread(list(head.m), lambda: net(torch.rand(1, 3, side, side)), -1.0, 2.5)
        for m in head.m:
            # boxes in their cells and no larger than the picture, as training has them
            m.weight.data.view(head.na, head.no, -1)[:, :4] *= 0.2
            m.bias.data.view(head.na, head.no)[:, :4] = torch.tensor([0.0, 0.0, -1.0, -1.0])
        torch.onnx.export(net, (torch.rand(1, 3, side, side),), path, input_names=["images"], output_names=["output0"], dynamo=False,
                          opset_version=17)
        import onnx

        model = onnx.load(path)
        names = [f"kind_{i}" for i in range(classes)]
        for key, value in {"stride": "32", "names": str(names)}.items():
            model.metadata_props.add(key=key, value=value)
        onnx.save(model, path)
        fit = p.letterbox(p.picture(), side, side)
        out = only(outputs(path, p.planes(fit.tensor)))
        score = out[:, 5:] * out[:, 4:5]
        return findings(fit, p.corners(out[:, :4]), score, None, 0.5, names=names)


yolo_v5("-classic", 3)
yolo_v5("-classic-one-class", 1)


def yolox(name, decoded):
    @case("yolox" + name)
    def make(path):
        import torch
        from yolox.models import YOLOX, YOLOPAFPN, YOLOXHead

        torch.manual_seed(6)
        side, classes = 160, 3
        net = YOLOX(YOLOPAFPN(0.33, 0.25, depthwise=False), YOLOXHead(classes, 0.25)).eval()
        net.head.decode_in_inference = decoded
        spread([*net.head.cls_preds, *net.head.obj_preds], lambda: net(torch.rand(1, 3, side, side) * 255), -1.0, 1.5)
        torch.onnx.export(net, (torch.rand(1, 3, side, side),), path, input_names=["images"], output_names=["output"], dynamo=False,
                          opset_version=17)
        fit = p.letterbox(p.picture(), side, side, corner=True)
        out = only(outputs(path, p.planes(fit.tensor[:, :, ::-1], scale=1.0)))
        if not decoded:
            grids = []
            for stride in (8, 16, 32):
                n = side // stride
                y, x = np.mgrid[0:n, 0:n]
                grids.append(np.stack([x.ravel(), y.ravel(), np.full(n * n, stride)], 1))
            grid = np.concatenate(grids)
            out[:, :2] = (out[:, :2] + grid[:, :2]) * grid[:, 2:]
            out[:, 2:4] = np.exp(out[:, 2:4]) * grid[:, 2:]
        score = out[:, 5:] * out[:, 4:5]
        return findings(fit, p.corners(out[:, :4]), score, None, 0.5, classes=["a", "b", "c"], names=["a", "b", "c"])


yolox("", False)
yolox("-decoded", True)
