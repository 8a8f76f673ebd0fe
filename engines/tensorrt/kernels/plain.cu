// A network in the plainest kernels there are, for the self-test on GPUs that TensorRT does not take: one thread an output
// element (a convolution: eight channels of one), 32-bit floats, [N, C, H, W].

struct PlainParams {
    u64 from, with, bias, to; // device addresses
    u32 count;                // threads
    u32 op;                   // of sl_plain_zip
    int size[10];             // see each kernel
    float low, high;          // of a clip
};

enum { ZIP_ADD, ZIP_SUB, ZIP_MUL, ZIP_EXP, ZIP_SIGMOID, ZIP_CLIP, ZIP_RELU };

// Four that are loaded at once.
struct alignas(16) Four {
    float v[4];
};

// Window K x K: known to the compiler, so that its loads are on their way together.
template <int K> SL_DEVICE void convolve(const PlainParams& p, const float* from, const Four* weights, int y, int x, float* sum) {
    int ci = p.size[0], hi = p.size[1], wi = p.size[2], stride = p.size[7], pad = p.size[8];
    int top = y * stride - pad, left = x * stride - pad;
    for (int c = 0; c < ci; ++c, from += (u64) hi * wi) {
#pragma unroll
        for (int at = 0; at < K * K; ++at, weights += 2) {
            int iy = top + at / K, ix = left + at % K;
            float value = iy >= 0 && iy < hi && ix >= 0 && ix < wi ? from[(u64) iy * wi + ix] : 0.0f;
            Four low = weights[0], high = weights[1];
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                sum[j] += value * low.v[j];
                sum[j + 4] += value * high.v[j];
            }
        }
    }
}

// size: channels, height and width in, the same out, kernel (1 or 3), stride, padding, 1 for a ReLU after it. Weights are
// [out / 8, in, kernel, kernel, 8], so that the eight of a thread lie together.
SL_KERNEL sl_plain_conv(PlainParams p) {
    u32 i = SL_X;
    if (i >= p.count) return;
    int ci = p.size[0], hi = p.size[1], wi = p.size[2], co = p.size[3], ho = p.size[4], wo = p.size[5];
    int k = p.size[6], group = (int) SL_BLOCK_Y * 8;
    int x = (int) (i % wo), y = (int) (i / wo % ho), n = (int) (i / wo / ho);
    const float* from = (const float*) p.from + (u64) n * ci * hi * wi;
    const Four* weights = (const Four*) ((const float*) p.with + (u64) group * ci * k * k);
    const float* bias = (const float*) p.bias + group;
    float sum[8];
    for (int j = 0; j < 8; ++j) sum[j] = bias[j];
    if (k == 1) convolve<1>(p, from, weights, y, x, sum);
    else convolve<3>(p, from, weights, y, x, sum);
    for (int j = 0; j < 8 && group + j < co; ++j) {
        float value = p.size[9] && sum[j] < 0.0f ? 0.0f : sum[j];
        ((float*) p.to)[(((u64) n * co + group + j) * ho + y) * wo + x] = value;
    }
}

// size: length of a row, then from row to row and the first element, of the source and of the target.
SL_KERNEL sl_plain_copy(PlainParams p) {
    u32 i = SL_X;
    if (i >= p.count) return;
    u64 row = i / p.size[0], column = i % p.size[0];
    float value = ((const float*) p.from)[row * p.size[1] + p.size[2] + column];
    ((float*) p.to)[row * p.size[3] + p.size[4] + column] = value;
}

// size: after how many elements the second operand begins again.
SL_KERNEL sl_plain_zip(PlainParams p) {
    u32 i = SL_X;
    if (i >= p.count) return;
    float v = ((const float*) p.from)[i];
    float b = p.op <= ZIP_MUL ? ((const float*) p.with)[i % p.size[0]] : 0.0f;
    switch (p.op) {
    case ZIP_ADD: v = v + b; break;
    case ZIP_SUB: v = v - b; break;
    case ZIP_MUL: v = v * b; break;
    case ZIP_EXP: v = expf(v); break;
    case ZIP_SIGMOID: v = 1.0f / (1.0f + expf(-v)); break;
    case ZIP_CLIP: v = sl_clamp(v, p.low, p.high); break;
    default: v = v < 0.0f ? 0.0f : v;
    }
    ((float*) p.to)[i] = v;
}

// size: height, width, and the side of the window, which is odd; stride 1, the border is left out.
SL_KERNEL sl_plain_pool(PlainParams p) {
    u32 i = SL_X;
    if (i >= p.count) return;
    int h = p.size[0], w = p.size[1], reach = p.size[2] / 2;
    int x = (int) (i % w), y = (int) (i / w % h);
    const float* plane = (const float*) p.from + (u64) (i / w / h) * h * w;
    float best = plane[(u64) y * w + x];
    for (int dy = -reach; dy <= reach; ++dy) {
        for (int dx = -reach; dx <= reach; ++dx) {
            if (y + dy < 0 || y + dy >= h || x + dx < 0 || x + dx >= w) continue;
            float value = plane[(u64) (y + dy) * w + x + dx];
            best = value > best ? value : best;
        }
    }
    ((float*) p.to)[i] = best;
}

// size: height and width of the source, and how many times larger the target is.
SL_KERNEL sl_plain_enlarge(PlainParams p) {
    u32 i = SL_X;
    if (i >= p.count) return;
    int h = p.size[0], w = p.size[1], times = p.size[2];
    int x = (int) (i % (w * times)) / times, y = (int) (i / (w * times) % (h * times)) / times;
    u64 plane = i / (w * times) / (h * times);
    ((float*) p.to)[i] = ((const float*) p.from)[(plane * h + y) * w + x];
}
