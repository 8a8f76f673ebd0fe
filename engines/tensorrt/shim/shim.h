/* The C face of TensorRT that the Rust side binds (src/trt/raw.rs). One source for TensorRT 8.5 to 11 and TensorRT-RTX.
 *
 * - Nothing here links to TensorRT: the library is loaded by the Rust side, which hands in the entry points.
 * - No exception crosses: every function is noexcept and answers with a null pointer or a status; 0 is good.
 * - Words for people go to the logger that each call was made with; the Rust side keeps the last error of it. */
#ifndef SIGHTLINE_TENSORRT_SHIM_H
#define SIGHTLINE_TENSORRT_SHIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SL_MAX_DIMS 8

/* Severity as TensorRT counts it: 0 internal error, 1 error, 2 warning, 3 info, 4 verbose. */
typedef void (*sl_log_fn)(void* user, int32_t severity, char const* words);
/* Return 0 to give the build up. */
typedef int32_t (*sl_progress_fn)(void* user, char const* phase, int32_t step, int32_t steps);

/* Entry points of the loaded library, by TensorRT's own names; the parser's is only needed to build. */
typedef struct {
    void* create_builder;
    void* create_runtime;
    void* create_parser;
} sl_entry_points;

typedef struct {
    int32_t major, minor, patch;
    int32_t rtx;            /* 1: TensorRT-RTX */
    int32_t strongly_typed; /* 1: precision lives in the ONNX file, builder flags do not exist */
} sl_headers;

typedef struct {
    char const* input;        /* the network input's name */
    int32_t max_batch;        /* profile 1..max_batch on the first axis, where the file leaves it open */
    int32_t opt_batch;        /* what kernels are chosen for */
    int32_t fp16, int8;       /* builder flags; refused where the version is strongly typed */
    int32_t dla_core;         /* -1: the GPU; else layers go to this DLA, what it cannot do to the GPU */
    int32_t compute_capability; /* TensorRT-RTX: build for this one (e.g. 89) without its GPU; 0: the GPU that is there */
    uint64_t workspace_bytes; /* 0: TensorRT's own limit */
    void const* timing_cache; /* from an earlier build, or null */
    size_t timing_cache_bytes;
    sl_progress_fn progress;  /* or null; TensorRT 10 and later */
    void* progress_user;
} sl_build_options;

typedef struct {
    char const* name;         /* lives as long as the engine */
    int32_t is_input;
    int32_t dtype;            /* TensorRT's number: 0 float, 1 half, 2 int8, 3 int32 */
    int32_t rank;
    int64_t dims[SL_MAX_DIMS]; /* -1: open */
} sl_tensor;

typedef struct sl_logger sl_logger;
typedef struct sl_blob sl_blob;
typedef struct sl_runtime sl_runtime;
typedef struct sl_engine sl_engine;
typedef struct sl_context sl_context;

void sl_headers_get(sl_headers* out);

sl_logger* sl_logger_create(sl_log_fn log, void* user);
void sl_logger_destroy(sl_logger* logger);

void const* sl_blob_data(sl_blob const* blob);
size_t sl_blob_size(sl_blob const* blob);
void sl_blob_destroy(sl_blob* blob);

/* ONNX bytes to a plan. `timing_cache_out` may be null; where the version has no timing cache it gets null. */
sl_blob* sl_build(sl_entry_points const* entry, sl_logger* logger, sl_build_options const* options, void const* onnx,
    size_t onnx_bytes, sl_blob** timing_cache_out);

sl_runtime* sl_runtime_create(sl_entry_points const* entry, sl_logger* logger, int32_t dla_core);
void sl_runtime_destroy(sl_runtime* runtime);

sl_engine* sl_engine_load(sl_runtime* runtime, void const* plan, size_t bytes);
void sl_engine_destroy(sl_engine* engine);
int32_t sl_engine_tensors(sl_engine const* engine);
int32_t sl_engine_tensor(sl_engine const* engine, int32_t index, sl_tensor* out);
/* Device memory that a context of this engine needs; -1 on failure. */
int64_t sl_engine_memory(sl_engine const* engine);
/* TensorRT-RTX compiles kernels when contexts are made; this keeps them. Elsewhere nothing happens. */
int32_t sl_engine_load_kernels(sl_engine* engine, void const* cache, size_t bytes);
sl_blob* sl_engine_save_kernels(sl_engine const* engine);

/* A context whose device memory the caller gives with sl_context_memory before the first enqueue. */
sl_context* sl_context_create(sl_engine* engine);
void sl_context_destroy(sl_context* context);
int32_t sl_context_memory(sl_context* context, void* memory, int64_t bytes);
int32_t sl_context_shape(sl_context* context, char const* input, int32_t rank, int64_t const* dims);
int32_t sl_context_address(sl_context* context, char const* tensor, void* memory);
int32_t sl_context_enqueue(sl_context* context, void* stream);

#ifdef __cplusplus
}
#endif
#endif
