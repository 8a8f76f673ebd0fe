"""Task-aligned assignment (Feng et al., TOOD, arXiv 2108.07755) and the loss built on it (CIoU: arXiv 1911.08287)."""

import math

import torch
from torch.nn import functional as F

from .network import anchors, corners, decode

TOP_K, ALPHA, BETA = 10, 0.5, 6.0


def ciou(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """IoU and complete IoU of boxes x1, y1, x2, y2 (broadcast over all but the last axis)."""
    near, far = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    inter = (far - near).clamp(min=0).prod(-1)
    size_a, size_b = (a[..., 2:] - a[..., :2]).clamp(min=1e-3), (b[..., 2:] - b[..., :2]).clamp(min=1e-3)
    iou = inter / (size_a.prod(-1) + size_b.prod(-1) - inter + 1e-7)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    gap = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) * 0.5).square().sum(-1)
    shape = (size_a[..., 0] / size_a[..., 1]).atan() - (size_b[..., 0] / size_b[..., 1]).atan()
    v = shape.square() * (4 / math.pi**2)
    with torch.no_grad():
        weight = v / (1 - iou + v + 1e-7)
    return iou, iou - gap / (hull.square().sum(-1) + 1e-7) - weight * v


@torch.no_grad()
def assign(scores, boxes, centres, truth_boxes, truth_labels, present):
    """Which truth each anchor answers for.

    scores [N, A, C], boxes [N, A, 4], centres [2, A], truth_boxes [N, T, 4], truth_labels [N, T], present [N, T].
    Returns the anchor's truth index [N, A], whether it answers for any [N, A], and its soft target in 0..1 [N, A].
    """
    x, y = centres[0], centres[1]
    t = truth_boxes.unsqueeze(2)
    inside = (x > t[..., 0]) & (x < t[..., 2]) & (y > t[..., 1]) & (y < t[..., 3]) & present.unsqueeze(2)
    iou, _ = ciou(t, boxes.unsqueeze(1))
    picked = scores.transpose(1, 2).gather(1, truth_labels.unsqueeze(2).expand(-1, -1, scores.shape[1]))
    metric = picked.pow(ALPHA) * iou.pow(BETA) * inside
    top = metric.topk(min(TOP_K, metric.shape[2]), dim=2)
    chosen = torch.zeros_like(metric, dtype=torch.bool).scatter_(2, top.indices, top.values > 1e-9)
    best = torch.where(chosen, iou, torch.full_like(iou, -1.0)).argmax(1, keepdim=True)
    chosen &= torch.zeros_like(chosen).scatter_(1, best, True)
    metric, iou = metric * chosen, iou * chosen
    soft = metric / (metric.amax(2, keepdim=True) + 1e-9) * iou.amax(2, keepdim=True)
    return best.squeeze(1), chosen.any(1), soft.amax(1)


def detection_loss(raw, size, levels, truth_boxes, truth_labels, present):
    """Loss of raw head outputs [N, 4 + C, A] for pictures of `size` (height, width) and a network with the strides
    `levels`; returns (total, box, class). Nothing here waits for a GPU."""
    centres, strides = anchors(size[0], size[1], levels, raw.device)
    raw = raw.float()
    boxes = corners(decode(raw[:, :4], centres, strides))
    logits = raw[:, 4:].transpose(1, 2)
    index, positive, soft = assign(logits.detach().sigmoid(), boxes.detach(), centres, truth_boxes, truth_labels, present)
    target = torch.zeros_like(logits)
    labels = truth_labels.gather(1, index)
    target.scatter_(2, labels.unsqueeze(2), (soft * positive).unsqueeze(2))
    total = target.sum().clamp(min=1.0)
    class_loss = F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / total
    wanted = truth_boxes.gather(1, index.unsqueeze(2).expand(-1, -1, 4))
    _, complete = ciou(boxes, wanted)
    box_loss = ((1 - complete) * soft * positive).sum() / total
    return class_loss + 5.0 * box_loss, box_loss.detach(), class_loss.detach()
