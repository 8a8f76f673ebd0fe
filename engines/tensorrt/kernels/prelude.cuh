// What the kernels need beyond the language. NVRTC compiles them for the GPU; the tests compile the same text as C++ for
// the host (SL_HOST, tests/host/), where threads of a block are threads of the process.
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#ifndef SL_HOST
#define SL_KERNEL extern "C" __global__ void
#define SL_DEVICE static __device__ __forceinline__
#define SL_SHARED __shared__
#define SL_X (blockIdx.x * blockDim.x + threadIdx.x)
#define SL_Y (blockIdx.y * blockDim.y + threadIdx.y)
#define SL_THREAD threadIdx.x
#define SL_THREADS blockDim.x
#define SL_BLOCK_Y blockIdx.y
#define SL_SYNC() __syncthreads()
SL_DEVICE u16 sl_half(float v) {
    u16 h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(v));
    return h;
}
SL_DEVICE u32 sl_bits(float v) { return __float_as_uint(v); }
SL_DEVICE float sl_from_bits(u32 v) { return __uint_as_float(v); }
#endif

SL_DEVICE float sl_clamp(float v, float low, float high) { return v < low ? low : (v > high ? high : v); }
SL_DEVICE bool sl_finite(float v) { return (sl_bits(v) & 0x7f800000u) != 0x7f800000u; }
