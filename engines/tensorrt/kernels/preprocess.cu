// Pixels to tensor: one thread a tensor pixel, all colour planes of one picture. The arithmetic is that of
// engines/api/src/preprocess: rows blended first, then columns, colour last; positions here are in 32-bit floats.

struct PreprocessParams {
    u64 planes[3];     // device addresses of the picture's planes
    u64 output;        // device address of this picture's first plane in the batch tensor
    u32 strides[3];    // bytes from row to row
    u32 format;        // 0 GRAY8, 1 RGB, 2 BGR, 3 NV12, 4 I420, 5 YUY2, 6.. Bayer RGGB, BGGR, GRBG, GBRG
    int view_width, view_height;
    int region[4];     // left, top, width, height, view pixels
    int to[4];         // left, top, width, height, tensor pixels
    float from_x, from_y; // of what is shown, from the region's corner, view pixels
    float step_x, step_y; // view pixels per tensor pixel
    int tensor_width, tensor_height;
    u32 color;         // 0 gray, 1 RGB, 2 BGR
    u32 half;          // elements are 16-bit floats
    float mul[3], add[3];
    float pad;         // level around a letterboxed picture
    float r_v, g_u, g_v, b_u; // YUV to RGB
    float black, gain; // of luminance
    u32 reserved;
};

struct Tap {
    int first, second;
    float weight;
};

SL_DEVICE Tap tap(int i, float from, float step, int len) {
    float at = ((float) i + 0.5f) * step + from - 0.5f;
    float low = floorf(at);
    if (low < 0.0f) return {0, 0, 0.0f};
    int first = (int) low;
    if (first >= len - 1) return {len - 1, len - 1, 0.0f};
    return {first, first + 1, at - low};
}

SL_DEVICE float lerp(float a, float b, float weight) { return a + (b - a) * weight; }

SL_DEVICE float byte_at(const PreprocessParams& p, int plane, int row, int column) {
    const u8* at = (const u8*) p.planes[plane] + (u64) row * p.strides[plane] + column;
    return (float) *at;
}

// One channel, sampled: `column * stride + base` in its plane, chroma repeated where `shift` is 1.
SL_DEVICE float channel(const PreprocessParams& p, Tap x, Tap y, int plane, int base, int stride, int shift_x, int shift_y) {
    int r0 = y.first >> shift_y, r1 = y.second >> shift_y;
    int c0 = (x.first >> shift_x) * stride + base, c1 = (x.second >> shift_x) * stride + base;
    float a = lerp(byte_at(p, plane, r0, c0), byte_at(p, plane, r1, c0), y.weight);
    float b = lerp(byte_at(p, plane, r0, c1), byte_at(p, plane, r1, c1), y.weight);
    return lerp(a, b, x.weight);
}

// Neighbours mirrored about the border, so that their parity is kept.
SL_DEVICE int before(int i, int n) { return i > 0 ? i - 1 : (n > 1 ? 1 : 0); }
SL_DEVICE int after(int i, int n) { return i + 1 < n ? i + 1 : (n > 1 ? n - 2 : 0); }

struct Rgb {
    float r, g, b;
};

SL_DEVICE Rgb mosaic(const PreprocessParams& p, int x, int y) {
    int red_x = p.format == 7 || p.format == 8 ? 1 : 0;
    int red_y = p.format == 7 || p.format == 9 ? 1 : 0;
    int l = before(x, p.view_width), r = after(x, p.view_width);
    int u = before(y, p.view_height), d = after(y, p.view_height);
    bool red_row = (y & 1) == red_y;
    bool own_site = (x & 1) == (red_row ? red_x : 1 - red_x);
    float here = byte_at(p, 0, y, x);
    float vertical = (byte_at(p, 0, u, x) + byte_at(p, 0, d, x)) * 0.5f;
    float horizontal = (byte_at(p, 0, y, l) + byte_at(p, 0, y, r)) * 0.5f;
    float own = here, green = (vertical + horizontal) * 0.5f, other;
    if (own_site) {
        other = (byte_at(p, 0, u, l) + byte_at(p, 0, u, r) + byte_at(p, 0, d, l) + byte_at(p, 0, d, r)) * 0.25f;
    } else {
        own = horizontal;
        green = here;
        other = vertical;
    }
    Rgb at_red = {own, green, other}, at_blue = {other, green, own};
    return red_row ? at_red : at_blue;
}

SL_DEVICE Rgb mosaic_at(const PreprocessParams& p, Tap x, Tap y) {
    Rgb a = mosaic(p, x.first, y.first), b = mosaic(p, x.second, y.first);
    Rgb c = mosaic(p, x.first, y.second), d = mosaic(p, x.second, y.second);
    return {lerp(lerp(a.r, c.r, y.weight), lerp(b.r, d.r, y.weight), x.weight),
        lerp(lerp(a.g, c.g, y.weight), lerp(b.g, d.g, y.weight), x.weight),
        lerp(lerp(a.b, c.b, y.weight), lerp(b.b, d.b, y.weight), x.weight)};
}

SL_DEVICE float luma_of(Rgb v) { return v.r * 0.299f + v.g * 0.587f + v.b * 0.114f; }

// Red, green, blue in 0..255; with a gray target all three are the luminance.
SL_DEVICE Rgb sample(const PreprocessParams& p, Tap x, Tap y) {
    Rgb v;
    if (p.format == 0) {
        float l = channel(p, x, y, 0, 0, 1, 0, 0);
        return {l, l, l};
    }
    if (p.format == 1 || p.format == 2) {
        float a = channel(p, x, y, 0, 0, 3, 0, 0), b = channel(p, x, y, 0, 2, 3, 0, 0);
        v = {p.format == 1 ? a : b, channel(p, x, y, 0, 1, 3, 0, 0), p.format == 1 ? b : a};
    } else if (p.format >= 6) {
        v = mosaic_at(p, x, y);
    } else {
        bool packed = p.format == 5;
        float l = (channel(p, x, y, 0, 0, packed ? 2 : 1, 0, 0) - p.black) * p.gain;
        if (p.color == 0) {
            l = sl_clamp(l, 0.0f, 255.0f);
            return {l, l, l};
        }
        float cb, cr;
        if (packed) {
            cb = channel(p, x, y, 0, 1, 4, 1, 0);
            cr = channel(p, x, y, 0, 3, 4, 1, 0);
        } else if (p.format == 3) {
            cb = channel(p, x, y, 1, 0, 2, 1, 1);
            cr = channel(p, x, y, 1, 1, 2, 1, 1);
        } else {
            cb = channel(p, x, y, 1, 0, 1, 1, 1);
            cr = channel(p, x, y, 2, 0, 1, 1, 1);
        }
        cb -= 128.0f;
        cr -= 128.0f;
        v = {sl_clamp(l + p.r_v * cr, 0.0f, 255.0f), sl_clamp(l + p.g_u * cb + p.g_v * cr, 0.0f, 255.0f),
            sl_clamp(l + p.b_u * cb, 0.0f, 255.0f)};
    }
    if (p.color == 0) {
        float l = luma_of(v);
        return {l, l, l};
    }
    return v;
}

SL_DEVICE void put(const PreprocessParams& p, int plane, int x, int y, float level) {
    u64 at = ((u64) plane * p.tensor_height + y) * p.tensor_width + x;
    float value = level * p.mul[plane] + p.add[plane];
    if (p.half) {
        ((u16*) p.output)[at] = sl_half(value);
    } else {
        ((float*) p.output)[at] = value;
    }
}

SL_KERNEL sl_preprocess(PreprocessParams p) {
    int x = (int) SL_X, y = (int) SL_Y;
    if (x >= p.tensor_width || y >= p.tensor_height) return;
    int i = x - p.to[0], j = y - p.to[1];
    Rgb v = {p.pad, p.pad, p.pad};
    if (i >= 0 && j >= 0 && i < p.to[2] && j < p.to[3]) {
        Tap across = tap(i, p.from_x, p.step_x, p.region[2]);
        Tap down = tap(j, p.from_y, p.step_y, p.region[3]);
        across.first += p.region[0];
        across.second += p.region[0];
        down.first += p.region[1];
        down.second += p.region[1];
        v = sample(p, across, down);
    }
    if (p.color == 0) {
        put(p, 0, x, y, v.r);
        return;
    }
    bool rgb = p.color == 1;
    put(p, 0, x, y, rgb ? v.r : v.b);
    put(p, 1, x, y, v.g);
    put(p, 2, x, y, rgb ? v.b : v.r);
}
