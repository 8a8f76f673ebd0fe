"""Hugging Face transformers: detectors of DETR's family, and what is not read."""

import numpy as np

import picture as p
from kit import case, findings, outputs, refused, sigmoid, softmax, spread

SIDE = 128
NAMES = ["scratch", "dent", "Mouse_bite"]


def small(config, **more):
    for key, value in {
        "d_model": 64, "encoder_hidden_dim": 64, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64, "encoder_attention_heads": 4, "decoder_attention_heads": 4, "num_queries": 30,
        "num_labels": len(NAMES), **more,
    }.items():
        setattr(config, key, value)
    return config


def write(model, path, heads, dynamo, open_batch=False):
    import torch

    class Around(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, pixel_values):
            found = self.model(pixel_values=pixel_values)
            return found.logits, found.pred_boxes

    image = torch.rand(1, 3, SIDE, SIDE)
    spread(heads(model), lambda: model(pixel_values=image), -2.0, 1.5)
    more = {}
    if open_batch and not dynamo:
        more = {"dynamic_axes": {n: {0: "batch"} for n in ("pixel_values", "logits", "pred_boxes")}}
    torch.onnx.export(
        Around().eval(), (image,), path, input_names=["pixel_values"], output_names=["logits", "pred_boxes"],
        dynamo=dynamo, opset_version=18 if dynamo else 17, **more,
    )


def heads(*names):
    def of(model):
        import torch

        return [
            m for n, m in model.named_modules()
            if isinstance(m, torch.nn.Linear) and any(k in n for k in names) and m.out_features in (len(NAMES), len(NAMES) + 1)
        ]

    return of


def family(name, make, kind, where, dynamo=True, **how):
    """`kind`: sigmoid, or softmax with nothing last."""

    @case("transformers-" + name)
    def case_of(path):
        import torch

        torch.manual_seed(11)
        write(make().eval(), path, heads(*where), dynamo, **how)
        if kind == "softmax":
            fit = p.stretched(p.picture(), SIDE, SIDE, antialias=True)
            found = outputs(path, p.planes(fit.tensor, *p.IMAGENET))
            every = softmax(found["logits"][0])[:, :-1]
            # its classes exclude one another
            probability, kinds = every.max(1), every.argmax(1)
            more = {"decoder": "detr"}
        else:
            fit = p.stretched(p.picture(), SIDE, SIDE)
            found = outputs(path, p.planes(fit.tensor))
            probability, kinds = sigmoid(found["logits"][0]), None
            more = {"decoder": "rt-detr"}
        boxes = p.corners(found["pred_boxes"][0] * SIDE)
        return findings(fit, boxes, probability, kinds, names=NAMES, classes=NAMES, **more)


def resnet():
    from transformers import RTDetrResNetConfig

    return RTDetrResNetConfig(embedding_size=16, hidden_sizes=[16, 32, 64, 64], depths=[1, 1, 1, 1], layer_type="basic",
                              out_features=["stage2", "stage3", "stage4"])


def rtdetr(version):
    def make():
        import transformers as t

        name = {1: "RTDetr", 2: "RTDetrV2"}[version]
        config = getattr(t, name + "Config")(backbone_config=resnet(), encoder_hidden_dim=64, encoder_in_channels=[32, 64, 64],
                                             encoder_ffn_dim=64, encoder_attention_heads=4, d_model=64, num_queries=30,
                                             decoder_in_channels=[64, 64, 64], decoder_ffn_dim=64, decoder_layers=2,
                                             decoder_attention_heads=4, num_labels=len(NAMES), num_denoising=0,
                                             use_pretrained_backbone=False, hidden_expansion=0.5)
        return getattr(t, name + "ForObjectDetection")(config)

    return make


def dfine():
    import transformers as t

    backbone = t.HGNetV2Config(stem_channels=[3, 16, 16], stage_in_channels=[16, 64, 512, 1024], stage_mid_channels=[8, 8, 16, 16],
                               stage_out_channels=[64, 512, 1024, 2048], stage_num_blocks=[1, 1, 1, 1], stage_numb_of_layers=[1, 1, 1, 1],
                               out_features=["stage2", "stage3", "stage4"])
    config = t.DFineConfig(backbone_config=backbone, encoder_hidden_dim=64, encoder_in_channels=[512, 1024, 2048], encoder_ffn_dim=64,
                           encoder_attention_heads=4, d_model=64, num_queries=30, decoder_in_channels=[64, 64, 64], decoder_ffn_dim=64,
                           decoder_layers=2, decoder_attention_heads=4, num_labels=len(NAMES), num_denoising=0, hidden_expansion=0.5,
                           depth_mult=0.34)
    return t.DFineForObjectDetection(config)


def detr(name):
    def make():
        import transformers as t

        backbone = t.ResNetConfig(embedding_size=16, hidden_sizes=[16, 32, 64, 64], depths=[1, 1, 1, 1], layer_type="basic",
                                  out_features=["stage4"] if name != "DeformableDetr" else ["stage2", "stage3", "stage4"])
        config = small(getattr(t, name + "Config")(backbone_config=backbone, use_timm_backbone=False, use_pretrained_backbone=False,
                                                   backbone=None))
        return getattr(t, name + "ForObjectDetection")(config)

    return make


def yolos():
    import transformers as t

    return t.YolosForObjectDetection(t.YolosConfig(hidden_size=48, num_hidden_layers=2, num_attention_heads=3, intermediate_size=64,
                                                   image_size=[SIDE, SIDE], num_detection_tokens=20, num_labels=len(NAMES)))


family("rtdetr", rtdetr(1), "sigmoid", ("class_embed", "enc_score_head"))
family("rtdetr-old", rtdetr(1), "sigmoid", ("class_embed", "enc_score_head"), dynamo=False, open_batch=True)
family("rtdetr-v2", rtdetr(2), "sigmoid", ("class_embed", "enc_score_head"), dynamo=False)
family("d-fine", dfine, "sigmoid", ("class_embed", "enc_score_head"), dynamo=False)
family("detr", detr("Detr"), "softmax", ("class_labels_classifier",))
family("detr-old", detr("Detr"), "softmax", ("class_labels_classifier",), dynamo=False)
family("conditional-detr", detr("ConditionalDetr"), "sigmoid-imagenet", ("class_labels_classifier",))
family("yolos", yolos, "softmax", ("class_labels_classifier",))


@case("transformers-segformer")
def segformer(path):
    import torch
    import transformers as t

    config = t.SegformerConfig(depths=[1, 1, 1, 1], hidden_sizes=[8, 16, 16, 16], num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=16,
                               num_labels=3)
    model = t.SegformerForSemanticSegmentation(config).eval()
    torch.onnx.export(model, (torch.rand(1, 3, SIDE, SIDE),), path, input_names=["pixel_values"], output_names=["logits"], dynamo=True)
    return refused("semantic segmentation")


@case("transformers-vit-classifier")
def vit(path):
    import torch
    import transformers as t

    from kit import scores

    config = t.ViTConfig(hidden_size=48, num_hidden_layers=2, num_attention_heads=3, intermediate_size=64, image_size=SIDE, num_labels=3)
    model = t.ViTForImageClassification(config).eval()
    image = torch.rand(1, 3, SIDE, SIDE)
    spread([model.classifier], lambda: model(pixel_values=image), 0.0, 2.0)

    class Around(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, pixel_values):
            return self.model(pixel_values=pixel_values).logits

    torch.onnx.export(Around(), (image,), path, input_names=["pixel_values"], output_names=["output"], dynamo=True)
    tensor = p.cropped(p.picture(), SIDE, SIDE * 256 // 224)
    return scores(softmax(outputs(path, p.planes(tensor, *p.IMAGENET))["output"][0]))
