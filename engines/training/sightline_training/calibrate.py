"""Ranges of a float network's tensors on real pictures, and three ways to choose a scale from them.

Entropy: the range that loses least information (Migacz, "8-bit inference with TensorRT", GTC 2017).
"""

import numpy as np
import onnx
import onnxruntime

BINS = 2048


def observe(model: onnx.ModelProto, tensors: list[str], batches) -> dict[str, np.ndarray]:
    """Histogram of absolute values of each tensor: [BINS] counts, and the upper edge as the last element."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    own = {o.name for o in probe.graph.output}
    for name in tensors:
        if name not in own and name != probe.graph.input[0].name:
            probe.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    net = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in net.get_outputs() if o.name in set(tensors)]
    entry = net.get_inputs()[0].name
    edges: dict[str, float] = {}
    counts: dict[str, np.ndarray] = {}

    def values(batch):
        yield from zip(names, net.run(names, {entry: batch}))
        if entry in tensors:
            yield entry, batch

    for batch in batches:
        for name, value in values(batch):
            edges[name] = max(edges.get(name, 1e-6), float(np.abs(value).max()))
    for batch in batches:
        for name, value in values(batch):
            histogram, _ = np.histogram(np.abs(value), BINS, (0.0, edges[name]))
            counts[name] = counts.get(name, 0) + histogram.astype(np.float64)
    return {name: np.append(counts[name], edges[name]) for name in counts}


def min_max(histogram: np.ndarray) -> float:
    """The largest value seen."""
    return float(histogram[-1])


def percentile(histogram: np.ndarray, part: float = 0.9999) -> float:
    """The value below which `part` of all values lie."""
    counts, edge = histogram[:-1], histogram[-1]
    reached = int(np.searchsorted(counts.cumsum(), counts.sum() * part)) + 1
    return float(edge * min(reached, BINS) / BINS)


def without_spikes(counts: np.ndarray, half: int = 16) -> np.ndarray:
    """Counts with bins that tower above their neighbourhood cut to twice its median.

    Flat copper and bare substrate give the same few values over and over: in the first layers of a board detector five
    of 2,048 bins hold a quarter to a half of all non-zero values. Such a value costs one rounding error at any scale,
    but the divergence counts its whole mass as spread over its neighbours, and falls only as the range shrinks until a
    level is a bin wide: it chose a sixteenth of the range and clipped every edge, where the defects are.
    """
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(counts, half, mode="reflect"), 2 * half + 1)
    return np.minimum(counts, np.maximum(2 * np.median(windows, axis=1), 1.0))


def entropy(histogram: np.ndarray, levels: int = 128) -> float:
    """The cut whose quantised distribution diverges least (Kullback-Leibler) from the clipped one."""
    counts, edge = without_spikes(histogram[:-1]), histogram[-1]
    best, chosen = np.inf, BINS
    for cut in range(levels, BINS + 1, 16):
        kept = counts[:cut].copy()
        kept[-1] += counts[cut:].sum()
        groups = np.minimum(np.arange(cut) * levels // cut, levels - 1)
        filled = counts[:cut] > 0
        sums = np.bincount(groups, counts[:cut], levels)
        cells = np.bincount(groups, filled.astype(float), levels)
        spread = np.where(filled, (sums / np.maximum(cells, 1))[groups], 0.0)
        p, q = kept / max(kept.sum(), 1e-9), spread / max(spread.sum(), 1e-9)
        use = p > 0
        divergence = float((p[use] * np.log(p[use] / np.maximum(q[use], 1e-12))).sum())
        if divergence < best:
            best, chosen = divergence, cut
    return float(edge * chosen / BINS)


METHODS = {"entropy": entropy, "min-max": min_max, "percentile": percentile}
