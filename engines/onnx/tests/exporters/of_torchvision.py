"""torchvision and timm: classifiers by both of torch's exporters, detectors."""

import os

import numpy as np

import picture as p
from kit import case, findings, outputs, refused, scores, settled, softmax, spread

SIDE = 96


def onnx_of(model, path, shape, dynamo, names=("input", "output"), **how):
    import torch

    torch.onnx.export(
        model,
        (torch.rand(*shape),),
        path,
        input_names=[names[0]],
        output_names=list(names[1:]),
        dynamo=dynamo,
        opset_version=18 if dynamo else 17,
        **how,
    )


def classifier(name, make, dynamo, classes=5, side=SIDE, **how):
    @case(name)
    def case_of(path):
        import torch

        torch.manual_seed(3)
        model = make(classes).eval()
        linear = [m for m in model.modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))][-1]
        spread([linear], lambda: model(torch.rand(1, 3, side, side)), 0.0, 2.0)
        onnx_of(model, path, (1, 3, side, side), dynamo, **how)
        tensor = p.cropped(p.picture(), side, side * 256 // 224)
        found = outputs(path, p.planes(tensor, *p.IMAGENET))["output"].reshape(-1)
        return scores(softmax(found))


def tv(name):
    def make(classes):
        import torchvision

        return torchvision.models.get_model(name, weights=None, num_classes=classes)

    return make


def tm(name, **how):
    def make(classes):
        import timm

        return timm.create_model(name, pretrained=False, num_classes=classes, **how)

    return make


classifier("torchvision-mobilenet-v3-small", tv("mobilenet_v3_small"), True)
classifier("torchvision-mobilenet-v3-small-old", tv("mobilenet_v3_small"), False)
classifier("torchvision-resnet18", tv("resnet18"), True)
classifier("torchvision-resnet18-old-open", tv("resnet18"), False, dynamic_axes={"input": {0: "n"}, "output": {0: "n"}})
classifier("torchvision-squeezenet", tv("squeezenet1_1"), True)
classifier("torchvision-efficientnet-b0", tv("efficientnet_b0"), True)
classifier("torchvision-one-file", tv("shufflenet_v2_x0_5"), True, external_data=False)
classifier("timm-mobilenetv3", tm("mobilenetv3_small_050"), True)
classifier("timm-resnet10t", tm("resnet10t"), False)
classifier("timm-convnext-atto", tm("convnext_atto"), True)
classifier("timm-vit", tm("vit_tiny_patch16_224", img_size=SIDE), True)
classifier("timm-two-classes", tm("efficientnet_lite0"), True, classes=2)


def detector(name, model, side=160, dynamo=False, wrong=(), outputs_=("boxes", "labels", "scores"), **how):
    @case("torchvision-" + name)
    def make(path):
        import torch
        import torchvision

        torch.manual_seed(5)
        settings = {"min_size": side, "max_size": side, "box_score_thresh": 0.0, "score_thresh": 0.0} | how
        made = getattr(torchvision.models.detection, model)
        import inspect

        kept = {}
        for key, value in settings.items():
            if "score_thresh" in key and (key == "box_score_thresh") != ("rcnn" in model):
                continue
            if "ssd" in model and "size" in key:
                continue
            kept[key] = value
        net = made(weights=None, weights_backbone=None, num_classes=4, **kept).eval()
        size = 320 if "ssdlite" in model else 300 if "ssd" in model else side
        image = torch.rand(3, size, size)
        last = [m for n, m in net.named_modules() if n.split(".")[-1] in ("cls_score", "cls_logits") and hasattr(m, "weight")]
        last += [m for n, m in net.named_modules() if ".classification_head.module_list" in n and n.endswith(".1") and isinstance(m, torch.nn.Conv2d)]
        spread(last, lambda: net([image]), 0.0, 2.0)
        torch.onnx.export(
            net, ([image],), path, input_names=["image"], output_names=list(outputs_), dynamo=dynamo, opset_version=17 if not dynamo else 18
        )
        return refused(*wrong) if wrong else {"rank": "three axes"}


RANK = ("[N, channels, height, width]",)
detector("fasterrcnn", "fasterrcnn_mobilenet_v3_large_320_fpn", wrong=RANK)
detector("retinanet", "retinanet_resnet50_fpn", wrong=RANK, outputs_=("boxes", "scores", "labels"))
detector("ssdlite", "ssdlite320_mobilenet_v3_large", wrong=RANK, outputs_=("boxes", "scores", "labels"))
detector("maskrcnn", "maskrcnn_resnet50_fpn", wrong=("mask",), outputs_=("boxes", "labels", "scores", "masks"))
detector("keypointrcnn", "keypointrcnn_resnet50_fpn", wrong=("keypoint",), outputs_=("boxes", "labels", "scores", "keypoints", "keypoints_scores"))


def batched(name, model, order, dynamo=False, **how):
    """As many do it: a module around that takes [1, 3, H, W]."""

    @case("torchvision-" + name)
    def make(path):
        import torch
        import torchvision

        torch.manual_seed(5)
        side = 320 if "ssdlite" in model else 192
        sizes = {} if "ssd" in model else {"min_size": side, "max_size": side}
        net = getattr(torchvision.models.detection, model)(weights=None, weights_backbone=None, num_classes=4, **how, **sizes).eval()
        last = [m for n, m in net.named_modules() if n.split(".")[-1] in ("cls_score", "cls_logits") and hasattr(m, "weight")]
        last += [m for n, m in net.named_modules() if ".classification_head.module_list" in n and n.endswith(".1") and isinstance(m, torch.nn.Conv2d)]
        drawn = torch.from_numpy(p.planes(p.letterbox(p.picture(), side, side).tensor)[0])
        if "ssdlite" not in model:
            settled(net, lambda: net([drawn]))
        spread(last, lambda: net([drawn]), 0.0 if "rcnn" in model or "ssd" in model else -4.0, 1.0)
        for m in last if "retina" in model or "fcos" in model else []:
            # class 0 is none: no training ever lets it appear
            m.bias.data[torch.arange(m.bias.numel()) % 4 == 0] = -30.0

        class Around(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.net = net

            def forward(self, images):
                found = self.net([images[0]])[0]
                return tuple(found[k] for k in order)

        onnx_of(Around(), path, (1, 3, side, side), dynamo, ("image", *order))
        fit = p.letterbox(p.picture(), side, side)
        found = outputs(path, p.planes(fit.tensor))
        # clipped to the picture by the graph itself: random boxes may be left without a size, and that is no answer
        size = found["boxes"][:, 2:] - found["boxes"][:, :2]
        floor = p.floor_of(found["scores"])
        if (size[found["scores"] >= floor] <= 0).any():
            return {"broken": True, "floor": floor, "names": ["a", "b", "c"], "classes": ["a", "b", "c"]}
        return findings(
            fit, found["boxes"], found["scores"], found["labels"] - 1, names=["a", "b", "c"], classes=["a", "b", "c"]
        )


batched("fasterrcnn-batched", "fasterrcnn_mobilenet_v3_large_320_fpn", ("boxes", "labels", "scores"), box_score_thresh=0.0)
batched("retinanet-batched", "retinanet_resnet50_fpn", ("boxes", "scores", "labels"), score_thresh=0.0)
batched("ssdlite-batched", "ssdlite320_mobilenet_v3_large", ("boxes", "scores", "labels"), score_thresh=0.0)
batched("fcos-batched", "fcos_resnet50_fpn", ("boxes", "scores", "labels"), score_thresh=0.0)
