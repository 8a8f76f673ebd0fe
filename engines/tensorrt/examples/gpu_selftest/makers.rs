//! What runs the network: TensorRT, or plain kernels of our own.

use crate::Fallible;
use sightline_engine::{Bundle, EngineError, EngineSettings, Precision};
use sightline_tensorrt::device::cuda::{self, Cuda, Gpu};
use sightline_tensorrt::device::nvrtc::Nvrtc;
use sightline_tensorrt::engine::{GpuEngine, Network};
use sightline_tensorrt::library::Search;
use sightline_tensorrt::plain::{self, PlainNetwork};
use sightline_tensorrt::{Fault, kernels};

/// Makes the engines that are tried.
pub trait Maker {
    type Network: cuda::Network + 'static;
    /// Those whose boxes are compared.
    const PRECISIONS: &'static [Precision];
    /// The one that is measured.
    const USUAL: Precision;

    fn words(&self) -> String;

    fn engine(
        &self,
        bundle: &Bundle,
        settings: &EngineSettings,
    ) -> Result<GpuEngine<Cuda<Self::Network>>, EngineError>;
}

/// Plain kernels.
pub struct Plain {
    nvrtc: Nvrtc,
}

impl Plain {
    pub fn new() -> Fallible<Self> {
        Ok(Self {
            nvrtc: Nvrtc::load(&Search::usual(None))?,
        })
    }
}

impl Maker for Plain {
    type Network = PlainNetwork;
    const PRECISIONS: &'static [Precision] = &[Precision::Fp32];
    const USUAL: Precision = Precision::Fp32;

    fn words(&self) -> String {
        "plain kernels, without TensorRT".into()
    }

    fn engine(
        &self,
        bundle: &Bundle,
        settings: &EngineSettings,
    ) -> Result<GpuEngine<Cuda<PlainNetwork>>, EngineError> {
        let gpu = Gpu::open()?;
        let file = bundle.model_file(settings.precision)?;
        let onnx = bundle.read_model(&file)?;
        let spec = &bundle.manifest().input;
        let sides = [spec.planes(), spec.height as usize, spec.width as usize];
        let compiled = |sources: &[&str]| self.nvrtc.kernels(sources, gpu.facts().capability, None);
        let network = PlainNetwork::new(&gpu, &onnx, sides, &compiled(&plain::SOURCES)?)?;
        let facts = Network::new(
            spec.clone(),
            false,
            network.output_dims().to_vec(),
            (settings.max_batch, false),
            network.scratch_bytes(settings.max_batch),
        );
        let cubin = compiled(&kernels::SOURCES)?;
        let info = bundle.engine_info("plain", settings)?;
        let cuda = Cuda::new(gpu, network, &cubin)?;
        GpuEngine::new(cuda, facts, bundle.manifest(), info).map_err(|fault: Fault| fault.into())
    }
}

#[cfg(feature = "tensorrt")]
mod with_tensorrt {
    use super::{
        Bundle, Cuda, EngineError, EngineSettings, Fallible, GpuEngine, Maker, Precision, Search,
    };
    use sightline_tensorrt::{TensorRtFactory, store::Store, trt::TrtNetwork};

    /// TensorRT, its plans kept where a station keeps them.
    pub fn tensorrt() -> Fallible<TensorRtFactory> {
        Ok(TensorRtFactory::new(Search::usual(None), Store::usual())?)
    }

    impl Maker for TensorRtFactory {
        type Network = TrtNetwork;
        const PRECISIONS: &'static [Precision] =
            &[Precision::Fp32, Precision::Fp16, Precision::Int8];
        const USUAL: Precision = Precision::Fp16;

        fn words(&self) -> String {
            let library = self.library();
            format!("{} at {}", library.version(), library.path().display())
        }

        fn engine(
            &self,
            bundle: &Bundle,
            settings: &EngineSettings,
        ) -> Result<GpuEngine<Cuda<TrtNetwork>>, EngineError> {
            TensorRtFactory::engine(self, bundle, settings)
        }
    }
}

#[cfg(feature = "tensorrt")]
pub use with_tensorrt::tensorrt;
