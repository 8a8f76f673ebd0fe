// The kernels' own text compiled for the host: a block's threads are threads of this process, one block after the other.
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <pthread.h>
#include <thread>
#include <vector>

#define SL_HOST
#define SL_KERNEL extern "C" void
#define SL_DEVICE static inline
#define SL_SHARED static

namespace {
struct Block {
    unsigned x = 0, y = 0, thread = 0, block_y = 0, threads = 1;
};
thread_local Block here;
// sleeps where std::barrier spins: a machine may have fewer cores than the block has threads
pthread_barrier_t meeting;
} // namespace

#define SL_X here.x
#define SL_Y here.y
#define SL_THREAD here.thread
#define SL_THREADS here.threads
#define SL_BLOCK_Y here.block_y
#define SL_SYNC() (here.threads > 1 ? (void) pthread_barrier_wait(&meeting) : (void) 0)

static inline unsigned atomicAdd(unsigned* at, unsigned by) { return std::atomic_ref<unsigned>(*at).fetch_add(by); }
static inline unsigned atomicAnd(unsigned* at, unsigned with) { return std::atomic_ref<unsigned>(*at).fetch_and(with); }
static inline uint32_t sl_bits(float v) {
    uint32_t bits;
    std::memcpy(&bits, &v, 4);
    return bits;
}
static inline float sl_from_bits(uint32_t bits) {
    float v;
    std::memcpy(&v, &bits, 4);
    return v;
}
// To the nearest, ties to even, as cvt.rn.f16.f32.
static inline unsigned short sl_half(float v) {
    _Float16 h = (_Float16) v;
    unsigned short bits;
    std::memcpy(&bits, &h, 2);
    return bits;
}

#include "prelude.cuh"
#include "preprocess.cu"
#include "decode.cu"
#include "plain.cu"

extern "C" void host_preprocess(PreprocessParams const* p) {
    for (int y = 0; y < p->tensor_height; ++y) {
        for (int x = 0; x < p->tensor_width; ++x) {
            here.x = (unsigned) x;
            here.y = (unsigned) y;
            sl_preprocess(*p);
        }
    }
}

extern "C" void host_candidates(DecodeParams const* p, unsigned regions) {
    for (unsigned region = 0; region < regions; ++region) {
        for (unsigned row = 0; row < p->rows; ++row) {
            here.x = row;
            here.block_y = region;
            sl_candidates(*p);
        }
    }
}

// Kernels in the order of src/plain.
extern "C" void host_plain(unsigned kernel, PlainParams const* p, unsigned groups) {
    void (*const kernels[])(PlainParams) = {sl_plain_conv, sl_plain_copy, sl_plain_zip, sl_plain_pool, sl_plain_enlarge};
    for (here.block_y = 0; here.block_y < groups; ++here.block_y) {
        for (here.x = 0; here.x < p->count; ++here.x) kernels[kernel](*p);
    }
}

static void suppress(DecodeParams const* p, unsigned region, unsigned thread, unsigned threads) {
    here.thread = thread;
    here.threads = threads;
    here.block_y = region;
    sl_suppress(*p);
}

extern "C" void host_suppress(DecodeParams const* p, unsigned regions, unsigned threads) {
    for (unsigned region = 0; region < regions; ++region) {
        if (threads == 1) {
            suppress(p, region, 0, 1);
            continue;
        }
        pthread_barrier_init(&meeting, nullptr, threads);
        std::vector<std::thread> block;
        for (unsigned thread = 0; thread < threads; ++thread) block.emplace_back(suppress, p, region, thread, threads);
        for (auto& thread : block) thread.join();
        pthread_barrier_destroy(&meeting);
    }
}
