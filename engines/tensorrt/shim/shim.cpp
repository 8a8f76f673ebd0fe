#include "shim.h"

#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <exception>
#include <memory>
#include <new>
#include <string>
#include <type_traits>

#if defined(TRT_MAJOR_RTX)
#define SL_RTX 1
#define SL_MODERN 1 // the interface of TensorRT 10 and later
#else
#define SL_RTX 0
#define SL_MODERN (NV_TENSORRT_MAJOR >= 10)
#endif

#if !SL_RTX && (NV_TENSORRT_MAJOR < 8 || (NV_TENSORRT_MAJOR == 8 && NV_TENSORRT_MINOR < 5))
#error "Sightline needs the headers of TensorRT 8.5 or later (enqueueV3, named tensors), or of TensorRT-RTX"
#endif

// From TensorRT 11 on, and in TensorRT-RTX, the ONNX file alone says the precision.
#define SL_STRONG (SL_RTX || NV_TENSORRT_MAJOR >= 11)
#define SL_TIMING_CACHE (!SL_RTX)
#define SL_PROGRESS SL_MODERN
#define SL_USER_MEMORY (SL_RTX || NV_TENSORRT_MAJOR >= 11 || (NV_TENSORRT_MAJOR == 10 && NV_TENSORRT_MINOR >= 1))

using namespace nvinfer1;

struct sl_logger final : ILogger {
    sl_log_fn write;
    void* user;

    sl_logger(sl_log_fn write, void* user) noexcept : write(write), user(user) {}
    void log(Severity severity, char const* words) noexcept override {
        if (words != nullptr) write(user, static_cast<int32_t>(severity), words);
    }
    std::nullptr_t fail(std::string const& words) noexcept {
        log(Severity::kERROR, words.c_str());
        return nullptr;
    }
    int32_t refuse(std::string const& words) noexcept {
        log(Severity::kERROR, words.c_str());
        return 1;
    }
};

struct sl_blob {
    std::unique_ptr<IHostMemory> memory;
};

struct sl_runtime {
    sl_logger* logger;
    std::unique_ptr<IRuntime> runtime;
};

struct sl_engine {
    sl_logger* logger;
    std::unique_ptr<ICudaEngine> engine;
#if SL_RTX
    // After the engine, so that they go before it.
    std::unique_ptr<IRuntimeConfig> config;
    std::unique_ptr<IRuntimeCache> kernels;
#endif
};

struct sl_context {
    sl_logger* logger;
    std::unique_ptr<IExecutionContext> context;
};

namespace {

using CreateBuilder = void* (*)(void*, int32_t);
using CreateRuntime = void* (*)(void*, int32_t);
using CreateParser = void* (*)(void*, void*, int);

#if SL_PROGRESS
struct Monitor final : IProgressMonitor {
    sl_progress_fn tell;
    void* user;
    int32_t steps = 0;

    Monitor(sl_progress_fn tell, void* user) noexcept : tell(tell), user(user) {}
    // Only the outermost phase is told: inner ones come and go by the hundred.
    void phaseStart(char const* phase, char const* parent, int32_t count) noexcept override {
        if (parent != nullptr) return;
        steps = count;
        tell(user, phase, 0, count);
    }
    bool stepComplete(char const* phase, int32_t step) noexcept override {
        return tell(user, phase, step, steps) != 0;
    }
    void phaseFinish(char const*) noexcept override {}
};
#endif

std::string words_of(Dims const& dims) {
    std::string words = "[";
    for (int32_t i = 0; i < dims.nbDims; ++i) words += (i > 0 ? ", " : "") + std::to_string(dims.d[i]);
    return words + "]";
}

ITensor* input_named(INetworkDefinition& network, char const* name) {
    for (int32_t i = 0; i < network.getNbInputs(); ++i) {
        ITensor* input = network.getInput(i);
        if (std::string(input->getName()) == name) return input;
    }
    return nullptr;
}

// Every input's first axis may be open; the one named gets the profile. Anything else open is refused.
bool set_profile(IBuilder& builder, INetworkDefinition& network, IBuilderConfig& config, sl_logger& logger,
    sl_build_options const& options) {
    ITensor* input = input_named(network, options.input);
    if (input == nullptr || network.getNbInputs() != 1) {
        logger.fail("expected one input called `" + std::string(options.input) + "`, found "
            + std::to_string(network.getNbInputs()) + " inputs"
            + (network.getNbInputs() > 0 ? ", the first called `" + std::string(network.getInput(0)->getName()) + "`" : ""));
        return false;
    }
    Dims dims = input->getDimensions();
    for (int32_t i = 1; i < dims.nbDims; ++i) {
        if (dims.d[i] < 0) {
            logger.fail("expected only the batch of the input to be open, found " + words_of(dims));
            return false;
        }
    }
    if (dims.nbDims < 1 || dims.d[0] >= 0) return true; // a fixed batch needs no profile
    IOptimizationProfile* profile = builder.createOptimizationProfile(); // the builder's own
    if (profile == nullptr) return false;
    auto set = [&](OptProfileSelector which, int32_t batch) {
        dims.d[0] = batch;
        return profile->setDimensions(options.input, which, dims);
    };
    return set(OptProfileSelector::kMIN, 1) && set(OptProfileSelector::kOPT, options.opt_batch)
        && set(OptProfileSelector::kMAX, options.max_batch) && config.addOptimizationProfile(profile) >= 0;
}

bool set_precision(IBuilderConfig& config, sl_logger& logger, sl_build_options const& options) {
#if SL_STRONG
    (void) config;
    if (options.fp16 != 0 || options.int8 != 0) {
        logger.fail("this TensorRT takes the precision from the ONNX file; builder flags were asked for");
        return false;
    }
#else
    (void) logger;
    if (options.fp16 != 0) config.setFlag(BuilderFlag::kFP16);
    if (options.int8 != 0) config.setFlag(BuilderFlag::kINT8);
    // FP32 is to be FP32: what it is compared with is.
    if (options.fp16 == 0 && options.int8 == 0) config.clearFlag(BuilderFlag::kTF32);
#endif
    return true;
}

bool set_target(IBuilder& builder, IBuilderConfig& config, sl_logger& logger, sl_build_options const& options) {
    if (options.workspace_bytes > 0) config.setMemoryPoolLimit(MemoryPoolType::kWORKSPACE, options.workspace_bytes);
    if (options.dla_core >= 0) {
        if (options.dla_core >= builder.getNbDLACores()) {
            logger.fail("DLA core " + std::to_string(options.dla_core) + " was asked for, this box has "
                + std::to_string(builder.getNbDLACores()));
            return false;
        }
        config.setDefaultDeviceType(DeviceType::kDLA);
        config.setDLACore(options.dla_core);
        config.setFlag(BuilderFlag::kGPU_FALLBACK);
    }
#if SL_RTX
    if (options.compute_capability > 0
        && !(config.setNbComputeCapabilities(1)
            && config.setComputeCapability(static_cast<ComputeCapability>(options.compute_capability), 0))) {
        logger.fail("compute capability " + std::to_string(options.compute_capability) + " cannot be built for");
        return false;
    }
#else
    if (options.compute_capability > 0) {
        logger.fail("only TensorRT-RTX builds for a GPU that is not there");
        return false;
    }
#endif
    return true;
}

uint32_t network_flags() {
#if SL_RTX || NV_TENSORRT_MAJOR == 10
    return SL_STRONG ? 1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kSTRONGLY_TYPED) : 0U;
#elif NV_TENSORRT_MAJOR >= 11
    return 0U;
#else
    return 1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH);
#endif
}

sl_blob* blob_of(IHostMemory* memory) {
    return memory == nullptr ? nullptr : new (std::nothrow) sl_blob{std::unique_ptr<IHostMemory>(memory)};
}

void fill(sl_tensor& out, Dims const& dims) {
    out.rank = dims.nbDims;
    for (int32_t i = 0; i < SL_MAX_DIMS; ++i) out.dims[i] = i < dims.nbDims ? dims.d[i] : 0;
}

} // namespace

extern "C" {

void sl_headers_get(sl_headers* out) {
    *out = {NV_TENSORRT_MAJOR, NV_TENSORRT_MINOR, NV_TENSORRT_PATCH, SL_RTX, SL_STRONG};
}

sl_logger* sl_logger_create(sl_log_fn log, void* user) {
    return new (std::nothrow) sl_logger(log, user);
}
void sl_logger_destroy(sl_logger* logger) { delete logger; }

void const* sl_blob_data(sl_blob const* blob) { return blob->memory->data(); }
size_t sl_blob_size(sl_blob const* blob) { return blob->memory->size(); }
void sl_blob_destroy(sl_blob* blob) { delete blob; }

sl_blob* sl_build(sl_entry_points const* entry, sl_logger* logger, sl_build_options const* options, void const* onnx,
    size_t onnx_bytes, sl_blob** timing_cache_out) try {
    if (timing_cache_out != nullptr) *timing_cache_out = nullptr;
    auto create_builder = reinterpret_cast<CreateBuilder>(entry->create_builder);
    auto create_parser = reinterpret_cast<CreateParser>(entry->create_parser);
    if (create_builder == nullptr || create_parser == nullptr) return logger->fail("no builder or no ONNX parser was loaded");

    std::unique_ptr<IBuilder> builder(
        static_cast<IBuilder*>(create_builder(static_cast<ILogger*>(logger), NV_TENSORRT_VERSION)));
    if (!builder) return logger->fail("TensorRT gave no builder (is there a GPU, and a driver new enough for it?)");
    std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(network_flags()));
    if (!network) return logger->fail("TensorRT gave no network");
    std::unique_ptr<nvonnxparser::IParser> parser(static_cast<nvonnxparser::IParser*>(
        create_parser(network.get(), static_cast<ILogger*>(logger), NV_ONNX_PARSER_VERSION)));
    if (!parser) return logger->fail("TensorRT gave no ONNX parser");
    if (!parser->parse(onnx, onnx_bytes)) {
        std::string words = "the ONNX parser refuses the file";
        for (int i = 0; i < parser->getNbErrors(); ++i) words += std::string("; ") + parser->getError(i)->desc();
        return logger->fail(words);
    }
    std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
    if (!config) return logger->fail("TensorRT gave no builder configuration");
    if (!set_profile(*builder, *network, *config, *logger, *options) || !set_precision(*config, *logger, *options)
        || !set_target(*builder, *config, *logger, *options)) {
        return logger->fail("the builder refuses what was asked for");
    }
#if SL_TIMING_CACHE
    std::unique_ptr<ITimingCache> timings(config->createTimingCache(options->timing_cache, options->timing_cache_bytes));
    // A cache of another GPU or version is no reason not to build: begin a new one.
    if (!timings || !config->setTimingCache(*timings, false)) {
        timings.reset(config->createTimingCache(nullptr, 0));
        if (!timings || !config->setTimingCache(*timings, false)) return logger->fail("TensorRT takes no timing cache");
    }
#endif
#if SL_PROGRESS
    Monitor monitor(options->progress, options->progress_user);
    if (options->progress != nullptr) config->setProgressMonitor(&monitor);
#endif
    sl_blob* plan = blob_of(builder->buildSerializedNetwork(*network, *config));
    if (plan == nullptr) return logger->fail("TensorRT built no engine of this network");
#if SL_TIMING_CACHE
    if (timing_cache_out != nullptr) *timing_cache_out = blob_of(timings->serialize());
#endif
    return plan;
} catch (std::exception const& e) {
    return logger->fail(e.what());
} catch (...) {
    return logger->fail("an exception without words");
}

sl_runtime* sl_runtime_create(sl_entry_points const* entry, sl_logger* logger, int32_t dla_core) {
    auto create = reinterpret_cast<CreateRuntime>(entry->create_runtime);
    if (create == nullptr) return logger->fail("no runtime was loaded");
    std::unique_ptr<IRuntime> runtime(static_cast<IRuntime*>(create(static_cast<ILogger*>(logger), NV_TENSORRT_VERSION)));
    if (!runtime) return logger->fail("TensorRT gave no runtime (is there a GPU, and a driver new enough for it?)");
    if (dla_core >= 0) runtime->setDLACore(dla_core);
    return new (std::nothrow) sl_runtime{logger, std::move(runtime)};
}
void sl_runtime_destroy(sl_runtime* runtime) { delete runtime; }

sl_engine* sl_engine_load(sl_runtime* runtime, void const* plan, size_t bytes) {
    std::unique_ptr<ICudaEngine> engine(runtime->runtime->deserializeCudaEngine(plan, bytes));
    if (!engine) return runtime->logger->fail("TensorRT does not take the plan");
#if SL_RTX
    std::unique_ptr<IRuntimeConfig> config(engine->createRuntimeConfig());
    if (!config) return runtime->logger->fail("TensorRT-RTX gave no runtime configuration");
    std::unique_ptr<IRuntimeCache> kernels(config->createRuntimeCache());
    if (!kernels) return runtime->logger->fail("TensorRT-RTX gave no runtime cache");
    config->setExecutionContextAllocationStrategy(ExecutionContextAllocationStrategy::kUSER_MANAGED);
    // A captured graph keeps the kernels it was captured with: they must be the right ones from the start.
    config->setDynamicShapesKernelSpecializationStrategy(DynamicShapesKernelSpecializationStrategy::kEAGER);
    return new (std::nothrow) sl_engine{runtime->logger, std::move(engine), std::move(config), std::move(kernels)};
#else
    return new (std::nothrow) sl_engine{runtime->logger, std::move(engine)};
#endif
}
void sl_engine_destroy(sl_engine* engine) {
#if SL_RTX
    if (engine != nullptr) {
        engine->kernels.reset();
        engine->config.reset();
    }
#endif
    delete engine;
}

int32_t sl_engine_tensors(sl_engine const* engine) { return engine->engine->getNbIOTensors(); }

int32_t sl_engine_tensor(sl_engine const* engine, int32_t index, sl_tensor* out) {
    char const* name = engine->engine->getIOTensorName(index);
    if (name == nullptr) return engine->logger->refuse("the engine has no tensor " + std::to_string(index));
    *out = {};
    out->name = name;
    out->is_input = engine->engine->getTensorIOMode(name) == TensorIOMode::kINPUT ? 1 : 0;
    out->dtype = static_cast<int32_t>(engine->engine->getTensorDataType(name));
    fill(*out, engine->engine->getTensorShape(name));
    return 0;
}

int64_t sl_engine_memory(sl_engine const* engine) {
#if SL_USER_MEMORY
    return engine->engine->getDeviceMemorySizeV2();
#else
    return static_cast<int64_t>(engine->engine->getDeviceMemorySize());
#endif
}

int32_t sl_engine_load_kernels(sl_engine* engine, void const* cache, size_t bytes) {
#if SL_RTX
    // A cache of another version is refused by the library and simply filled anew.
    if (cache != nullptr && bytes > 0) engine->kernels->deserialize(cache, bytes);
    return engine->config->setRuntimeCache(*engine->kernels) ? 0
                                                             : engine->logger->refuse("TensorRT-RTX takes no runtime cache");
#else
    (void) engine, (void) cache, (void) bytes;
    return 0;
#endif
}

sl_blob* sl_engine_save_kernels(sl_engine const* engine) {
#if SL_RTX
    return blob_of(engine->kernels->serialize());
#else
    (void) engine;
    return nullptr;
#endif
}

sl_context* sl_context_create(sl_engine* engine) {
#if SL_RTX
    std::unique_ptr<IExecutionContext> context(engine->engine->createExecutionContext(engine->config.get()));
#elif SL_MODERN
    std::unique_ptr<IExecutionContext> context(
        engine->engine->createExecutionContext(ExecutionContextAllocationStrategy::kUSER_MANAGED));
#else
    std::unique_ptr<IExecutionContext> context(engine->engine->createExecutionContextWithoutDeviceMemory());
#endif
    if (!context) return engine->logger->fail("TensorRT gave no execution context");
    return new (std::nothrow) sl_context{engine->logger, std::move(context)};
}
void sl_context_destroy(sl_context* context) { delete context; }

int32_t sl_context_memory(sl_context* context, void* memory, int64_t bytes) {
#if SL_USER_MEMORY
    context->context->setDeviceMemoryV2(memory, bytes);
#else
    (void) bytes;
    context->context->setDeviceMemory(memory);
#endif
    return 0;
}

int32_t sl_context_shape(sl_context* context, char const* input, int32_t rank, int64_t const* dims) {
    Dims shape{};
    if (rank < 0 || rank > SL_MAX_DIMS) return context->logger->refuse("expected a rank of 0 to 8");
    shape.nbDims = rank;
    for (int32_t i = 0; i < rank; ++i) shape.d[i] = static_cast<std::decay_t<decltype(shape.d[0])>>(dims[i]);
    if (context->context->setInputShape(input, shape)) return 0;
    return context->logger->refuse("TensorRT refuses " + words_of(shape) + " for input `" + input + "`");
}

int32_t sl_context_address(sl_context* context, char const* tensor, void* memory) {
    if (context->context->setTensorAddress(tensor, memory)) return 0;
    return context->logger->refuse(std::string("TensorRT takes no memory for tensor `") + tensor + "`");
}

int32_t sl_context_enqueue(sl_context* context, void* stream) {
    if (context->context->enqueueV3(static_cast<cudaStream_t>(stream))) return 0;
    return context->logger->refuse("TensorRT did not enqueue the network");
}

} // extern "C"
