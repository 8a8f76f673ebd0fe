//! Fixed frame slots in plain or CUDA-pinned host memory, allocated at start: open slot, sealed lease, pool with gauges.
