// Network output to findings, as engines/api/src/decode does it: `sl_candidates` finds what is above the floor, one thread
// a row of the head, each class of it by itself; `sl_suppress`, one block a region, cuts to the best, sorts, suppresses and
// maps to view pixels. Ties go to the earlier row, then to the lower class: a sort key is the score's bits above the inverted
// number of row and class, so no two are equal.

#define SL_MAX_CANDIDATES 4096
#define SL_SUPPRESS_THREADS 512 // as in src/kernels.rs

enum { HEAD_V8, HEAD_V5, HEAD_V10, HEAD_X };

struct Box {
    float x, y, w, h; // left, top, width, height
};

struct DecodeParams {
    u64 values;      // the network's output, [regions, …] floats
    u64 keys;        // [regions, rows * class_count] sort keys, in any order
    u64 boxes;       // [regions, rows] Box, tensor pixels, by row
    u64 counts;      // [regions, 2] candidates, rows that are no numbers; zero before, and zeroed again by sl_suppress
    u64 placements;  // [regions] Placement
    u64 findings;    // [regions] Header and max_detections of Finding
    u32 rows, class_count, head, max_detections;
    float floor, iou_threshold; // a threshold of 1 or more keeps all
    u32 merge, reserved;        // merge: what gives way moves what stays, by the scores
    int tensor_width, tensor_height;
};

struct Placement {
    float scale_x, scale_y, offset_x, offset_y; // tensor = view * scale + offset
    Box bounds;                                 // of the region, view pixels
};

struct Header {
    u32 count, nonfinite, excess, reserved;
};

struct Finding {
    float score;
    u32 class_id;
    Box box; // view pixels
};

SL_DEVICE Box from_centre(float cx, float cy, float w, float h) { return {cx - w / 2.0f, cy - h / 2.0f, w, h}; }

// Bits that a class number takes below the row's in a key.
SL_DEVICE u32 class_bits(u32 class_count) {
    u32 bits = 0;
    while ((1u << bits) < class_count) ++bits;
    return bits;
}

// Takes up a class of a row that is above the floor.
SL_DEVICE void tell(const DecodeParams& p, u32 region, u32 row, u32 class_id, float score, Box box) {
    u32* counts = (u32*) p.counts + (u64) region * 2;
    // an exponential or a product can run over where all inputs were numbers
    if (!(sl_finite(score) && sl_finite(box.x) && sl_finite(box.y) && sl_finite(box.w) && sl_finite(box.h))) {
        atomicAdd(counts + 1, 1u);
        return;
    }
    if (!(box.w > 0.0f && box.h > 0.0f)) return;
    // no head that is read rightly gives a box that lies outside of the tensor altogether
    if (!(box.x < (float) p.tensor_width && box.y < (float) p.tensor_height && box.x + box.w > 0.0f && box.y + box.h > 0.0f)) {
        atomicAdd(counts + 1, 1u);
        return;
    }
    ((Box*) p.boxes)[(u64) region * p.rows + row] = box;
    u32 bits = sl_bits(sl_clamp(score, 0.0f, 1.0f) + 0.0f); // a positive float's bits rise with it
    u32 place = row << class_bits(p.class_count) | class_id;
    u32 at = atomicAdd(counts, 1u);
    ((u64*) p.keys)[(u64) region * p.rows * p.class_count + at] = (u64) bits << 32 | (0xffffffffu - place);
}

SL_DEVICE Box grid_box(const DecodeParams& p, const float* at, u32 row) {
    u32 left = row;
    for (u32 stride = 8; stride <= 32; stride *= 2) {
        u32 columns = (u32) p.tensor_width / stride, cells = columns * ((u32) p.tensor_height / stride);
        if (left < cells) {
            float s = (float) stride, x = (float) (left % columns), y = (float) (left / columns);
            return from_centre((at[0] + x) * s, (at[1] + y) * s, expf(at[2]) * s, expf(at[3]) * s);
        }
        left -= cells;
    }
    return {0.0f, 0.0f, 0.0f, 0.0f};
}

// The numbers of a row, by its head; whether all are numbers.
SL_DEVICE bool read_v8(const DecodeParams& p, const float* values, u32 region, u32 row) {
    bool all = true, box = true;
    for (u32 k = 0; k < 4 + p.class_count; ++k) {
        all = all && sl_finite(values[(u64) k * p.rows + row]);
        if (k == 3) box = all;
    }
    // a class still counts when only another one is no number
    for (u32 k = 0; box && k < p.class_count; ++k) {
        float score = values[(u64) (4 + k) * p.rows + row];
        if (score >= p.floor && sl_finite(score)) {
            tell(p, region, row, k, score, from_centre(values[row], values[(u64) p.rows + row], values[2ull * p.rows + row], values[3ull * p.rows + row]));
        }
    }
    return all;
}

// YOLOv5 and YOLOX: box, objectness, one score a class.
SL_DEVICE bool read_row(const DecodeParams& p, const float* values, u32 region, u32 row) {
    const float* at = values + (u64) row * (5 + p.class_count);
    for (u32 k = 0; k < 5 + p.class_count; ++k) {
        if (!sl_finite(at[k])) return false;
    }
    if (!(at[4] >= p.floor)) return true;
    for (u32 k = 0; k < p.class_count; ++k) {
        float score = at[4] * at[5 + k];
        if (score >= p.floor) {
            tell(p, region, row, k, score, p.head == HEAD_X ? grid_box(p, at, row) : from_centre(at[0], at[1], at[2], at[3]));
        }
    }
    return true;
}

SL_DEVICE bool read_v10(const DecodeParams& p, const float* values, u32 region, u32 row) {
    const float* at = values + (u64) row * 6;
    for (u32 k = 0; k < 6; ++k) {
        if (!sl_finite(at[k])) return false;
    }
    if (!(at[4] >= p.floor)) return true;
    // the model names a class that nobody knows
    if (at[5] < 0.0f || floorf(at[5]) != at[5] || at[5] >= (float) p.class_count) return false;
    tell(p, region, row, (u32) at[5], at[4], {at[0], at[1], at[2] - at[0], at[3] - at[1]});
    return true;
}

SL_KERNEL sl_candidates(DecodeParams p) {
    u32 row = SL_X, region = SL_BLOCK_Y;
    if (row >= p.rows) return;
    u32 columns = p.head == HEAD_V10 ? 6 : p.class_count + (p.head == HEAD_V8 ? 4 : 5);
    const float* values = (const float*) p.values + (u64) region * p.rows * columns;
    bool numbers = p.head == HEAD_V8 ? read_v8(p, values, region, row) : p.head == HEAD_V10 ? read_v10(p, values, region, row) : read_row(p, values, region, row);
    if (!numbers) atomicAdd((u32*) p.counts + (u64) region * 2 + 1, 1u);
}

SL_DEVICE float least(float a, float b) { return a < b ? a : b; }
SL_DEVICE float most(float a, float b) { return a > b ? a : b; }

SL_DEVICE float overlap(Box a, Box b) {
    float w = least(a.x + a.w, b.x + b.w) - most(a.x, b.x);
    float h = least(a.y + a.h, b.y + b.h) - most(a.y, b.y);
    if (w <= 0.0f || h <= 0.0f) return 0.0f;
    float inter = w * h, both = a.w * a.h + b.w * b.h - inter;
    return both > 0.0f ? inter / both : 0.0f;
}

SL_DEVICE Box to_view(Placement m, Box b) {
    float right = m.bounds.x + m.bounds.w, bottom = m.bounds.y + m.bounds.h;
    Box v = {(b.x - m.offset_x) / m.scale_x, (b.y - m.offset_y) / m.scale_y, b.w / m.scale_x, b.h / m.scale_y};
    float x = sl_clamp(v.x, m.bounds.x, right), y = sl_clamp(v.y, m.bounds.y, bottom);
    return {x, y, sl_clamp(v.x + v.w, m.bounds.x, right) - x, sl_clamp(v.y + v.h, m.bounds.y, bottom) - y};
}

// The SL_MAX_CANDIDATES largest of `count` keys end up in `best`: the smallest key that stays is found byte by byte.
SL_DEVICE void keep_best(const u64* keys, u32 count, u64* best, u32* histogram, u32* scratch) {
    u64 prefix = 0;
    u32 wanted = SL_MAX_CANDIDATES;
    for (int shift = 56; shift >= 0; shift -= 8) {
        for (u32 i = SL_THREAD; i < 256; i += SL_THREADS) histogram[i] = 0;
        SL_SYNC();
        for (u32 i = SL_THREAD; i < count; i += SL_THREADS) {
            bool same = shift == 56 || (keys[i] >> (shift + 8)) == (prefix >> (shift + 8));
            if (same) atomicAdd(histogram + ((keys[i] >> shift) & 255), 1u);
        }
        SL_SYNC();
        if (SL_THREAD == 0) {
            u32 left = wanted;
            int digit = 255;
            while (histogram[digit] < left) left -= histogram[digit--];
            scratch[0] = (u32) digit;
            scratch[1] = left;
        }
        SL_SYNC();
        prefix |= (u64) scratch[0] << shift;
        wanted = scratch[1];
        SL_SYNC();
    }
    if (SL_THREAD == 0) scratch[0] = 0;
    SL_SYNC();
    for (u32 i = SL_THREAD; i < count; i += SL_THREADS) {
        if (keys[i] >= prefix) best[atomicAdd(scratch, 1u)] = keys[i];
    }
    SL_SYNC();
}

// Falling; `size` is a power of two.
SL_DEVICE void sort(u64* keys, u32 size) {
    for (u32 run = 2; run <= size; run *= 2) {
        for (u32 apart = run / 2; apart > 0; apart /= 2) {
            for (u32 i = SL_THREAD; i < size; i += SL_THREADS) {
                u32 other = i ^ apart;
                bool falling = (i & run) == 0;
                if (other > i && (keys[i] < keys[other]) == falling) {
                    u64 swap = keys[i];
                    keys[i] = keys[other];
                    keys[other] = swap;
                }
            }
            SL_SYNC();
        }
    }
}

// A weight and how far it pulls a box.
struct Pull {
    float weight, x, y, w, h;
};

SL_DEVICE void add(Pull& sum, float score, Box from, Box to) {
    sum.weight += score;
    sum.x += score * (to.x - from.x);
    sum.y += score * (to.y - from.y);
    sum.w += score * (to.w - from.w);
    sum.h += score * (to.h - from.h);
}

// Every thread's pull together, in the threads' order, so that the same findings always give the same box.
SL_DEVICE Box merged(Box box, float score, const Pull* pulls) {
    Pull sum = {score, 0.0f, 0.0f, 0.0f, 0.0f};
    for (u32 i = 0; i < SL_THREADS; ++i) {
        Pull one = pulls[i];
        sum = {sum.weight + one.weight, sum.x + one.x, sum.y + one.y, sum.w + one.w, sum.h + one.h};
    }
    if (!(sum.weight > 0.0f)) return box;
    return {box.x + sum.x / sum.weight, box.y + sum.y / sum.weight, box.w + sum.w / sum.weight, box.h + sum.h / sum.weight};
}

SL_KERNEL sl_suppress(DecodeParams p) {
    SL_SHARED u64 keys[SL_MAX_CANDIDATES];
    SL_SHARED u32 alive[SL_MAX_CANDIDATES / 32];
    SL_SHARED u32 histogram[256];
    SL_SHARED u32 scratch[2];
    SL_SHARED u32 current;
    SL_SHARED Pull pulls[SL_SUPPRESS_THREADS];
    u32 region = SL_BLOCK_Y;
    u32* counts = (u32*) p.counts + (u64) region * 2;
    const u64* found = (const u64*) p.keys + (u64) region * p.rows * p.class_count;
    const Box* boxes = (const Box*) p.boxes + (u64) region * p.rows;
    u32 bits = class_bits(p.class_count), class_mask = (1u << bits) - 1u;
    Placement placement = ((const Placement*) p.placements)[region];
    u64 stride = sizeof(Header) + (u64) p.max_detections * sizeof(Finding);
    Header* header = (Header*) (p.findings + region * stride);
    Finding* findings = (Finding*) (header + 1);

    u32 total = counts[0], nonfinite = counts[1];
    u32 count = total < SL_MAX_CANDIDATES ? total : SL_MAX_CANDIDATES;
    if (total > SL_MAX_CANDIDATES) {
        keep_best(found, total, keys, histogram, scratch);
    } else {
        for (u32 i = SL_THREAD; i < count; i += SL_THREADS) keys[i] = found[i];
    }
    u32 size = 1;
    while (size < count) size *= 2;
    for (u32 i = count + SL_THREAD; i < size; i += SL_THREADS) keys[i] = 0;
    for (u32 i = SL_THREAD; i < SL_MAX_CANDIDATES / 32; i += SL_THREADS) {
        u32 first = i * 32;
        alive[i] = first + 32 <= count ? 0xffffffffu : (first < count ? (1u << (count - first)) - 1u : 0u);
    }
    SL_SYNC();
    sort(keys, size);

    u32 out = 0, from = 0; // the same in every thread
    while (out < p.max_detections) {
        if (SL_THREAD == 0) {
            u32 i = from;
            while (i < count && !(alive[i / 32] >> (i % 32) & 1u)) i = alive[i / 32] >> (i % 32) ? i + 1 : (i / 32 + 1) * 32;
            current = i;
        }
        SL_SYNC();
        u32 i = current;
        if (i >= count) break;
        u32 place = 0xffffffffu - (u32) keys[i];
        Box box = boxes[place >> bits];
        u32 class_id = place & class_mask;
        float score = sl_from_bits((u32) (keys[i] >> 32));
        Pull mine = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
        if (p.iou_threshold < 1.0f) {
            for (u32 j = i + 1 + SL_THREAD; j < count; j += SL_THREADS) {
                if (!(alive[j / 32] >> (j % 32) & 1u)) continue;
                u32 other = 0xffffffffu - (u32) keys[j];
                if ((other & class_mask) == class_id && overlap(box, boxes[other >> bits]) > p.iou_threshold) {
                    atomicAnd(alive + j / 32, ~(1u << (j % 32)));
                    add(mine, sl_from_bits((u32) (keys[j] >> 32)), box, boxes[other >> bits]);
                }
            }
        }
        if (p.merge) {
            pulls[SL_THREAD] = mine;
            SL_SYNC();
            box = merged(box, score, pulls);
        }
        Box seen = to_view(placement, box);
        if (most(seen.w, 0.0f) * most(seen.h, 0.0f) > 0.0f) {
            if (SL_THREAD == 0) findings[out] = {score, class_id, seen};
            ++out;
        }
        from = i + 1;
        SL_SYNC();
    }
    SL_SYNC();
    if (SL_THREAD == 0) {
        *header = {out, nonfinite, total - count, 0};
        counts[0] = 0;
        counts[1] = 0;
    }
}
