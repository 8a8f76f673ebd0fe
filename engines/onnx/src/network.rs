//! One session and the memory of its inputs and outputs, made once: a run allocates nothing on our side.

use crate::contract::{self, BatchAxis, Contract};
use crate::{Runtime, inspect::tensor_info, provider};
use ort::AsPointer;
use ort::memory::Allocator;
use ort::session::{IoBinding, Session, builder::GraphOptimizationLevel};
use ort::value::{Tensor, TensorRef};
use sightline_engine::bundle::draft::TensorInfo;
use sightline_engine::bundle::{Manifest, ModelFile};
use sightline_engine::decode::Decoder;
use sightline_engine::{EngineError, EngineSettings, Spinning};
use std::path::{Path, PathBuf};

/// A model file, loaded, checked against its manifest and run once.
pub(crate) struct Network {
    session: Session,
    path: PathBuf,
    input: String,
    output: String,
    /// Planes, height, width.
    input_dims: [usize; 3],
    /// Of one region.
    output_dims: Vec<usize>,
    batch: BatchAxis,
    max_batch: usize,
    /// For batches of 1, 2, …; made when first needed.
    bound: Vec<Option<Bound>>,
}

/// Tensors of one batch size that the session reads and writes in place.
struct Bound {
    binding: IoBinding,
    input: Tensor<f32>,
    output: Tensor<f32>,
}

impl Network {
    /// Loads `bytes` (the content of `file`), holds them against the manifest, and runs zeros through.
    pub(crate) fn load(
        runtime: &Runtime,
        bytes: &[u8],
        file: &ModelFile<'_>,
        manifest: &Manifest,
        settings: &EngineSettings,
        decoder: &Decoder,
    ) -> Result<Self, EngineError> {
        let path = &file.path;
        let session = open(runtime, bytes, path, settings)?;
        let inputs: Vec<TensorInfo> = session.inputs().iter().map(tensor_info).collect();
        let outputs: Vec<TensorInfo> = session.outputs().iter().map(tensor_info).collect();
        let Contract { batch, output } =
            contract::agree(path, &inputs, &outputs, manifest, decoder)?;
        let spec = &manifest.input;
        let max_batch = match batch {
            BatchAxis::Fixed(n) => n,
            BatchAxis::Open => settings.max_batch,
        };
        let mut network = Self {
            input: spec.name.clone(),
            output: outputs[output].name.clone(),
            input_dims: [spec.planes(), spec.height as usize, spec.width as usize],
            output_dims: Vec::new(),
            path: path.clone(),
            session,
            batch,
            max_batch,
            bound: Vec::new(),
        };
        network.bound.resize_with(max_batch, || None);
        network.probe(&outputs[output], decoder)?;
        Ok(network)
    }

    /// Regions at once at most.
    pub(crate) fn max_batch(&self) -> usize {
        self.max_batch
    }

    /// The batch it always runs, for a file that has one.
    pub(crate) fn fixed_batch(&self) -> Option<usize> {
        match self.batch {
            BatchAxis::Fixed(n) => Some(n),
            BatchAxis::Open => None,
        }
    }

    /// Sizes of one region's output.
    pub(crate) fn output_dims(&self) -> &[usize] {
        &self.output_dims
    }

    /// Elements of one region's input.
    pub(crate) fn input_len(&self) -> usize {
        self.input_dims.iter().product()
    }

    /// Batch that is run for `regions` of them: a fixed file always runs full.
    fn size_for(&self, regions: usize) -> usize {
        match self.batch {
            BatchAxis::Fixed(n) => n,
            BatchAxis::Open => regions,
        }
    }

    /// The input of `regions` regions, one after the other; at most [`Network::max_batch`].
    pub(crate) fn input_mut(&mut self, regions: usize) -> Result<&mut [f32], EngineError> {
        let len = regions * self.input_len();
        let bound = self.bound(regions)?;
        Ok(&mut bound.input.extract_tensor_mut().1[..len])
    }

    /// Runs what [`Network::input_mut`] was filled with.
    pub(crate) fn run(&mut self, regions: usize) -> Result<(), EngineError> {
        self.bound(regions)?;
        let Some(bound) = &self.bound[self.size_for(regions) - 1] else {
            unreachable!("bound above")
        };
        // SAFETY: both handles are alive and of this library; the binding was made by this session, its tensors
        // are owned by `bound`, which is not moved or freed during the call, and `&mut self` makes us the only
        // caller: sessions and bindings may not be used from two threads at once.
        let status = unsafe {
            (ort::api().RunWithBinding)(
                self.session.ptr().cast_mut(),
                std::ptr::null(),
                bound.binding.ptr(),
            )
        };
        // SAFETY: the status was just returned by the library and is used nowhere else.
        unsafe { ort::Error::result_from_status(status) }.map_err(failed)
    }

    /// What the last [`Network::run`] with so many regions gave, one after the other; empty before the first.
    pub(crate) fn output(&self, regions: usize) -> &[f32] {
        let len = regions * self.output_dims.iter().product::<usize>();
        match &self.bound[self.size_for(regions) - 1] {
            Some(bound) => &bound.output.extract_tensor().1[..len],
            None => &[],
        }
    }

    fn bound(&mut self, regions: usize) -> Result<&mut Bound, EngineError> {
        assert!((1..=self.max_batch).contains(&regions), "a batch in range");
        let size = self.size_for(regions);
        if self.bound[size - 1].is_none() {
            let bound = self.bind(size).map_err(failed)?;
            self.bound[size - 1] = Some(bound);
        }
        match &mut self.bound[size - 1] {
            Some(bound) => Ok(bound),
            None => unreachable!("bound above"),
        }
    }

    fn bind(&self, size: usize) -> ort::Result<Bound> {
        let allocator = Allocator::default();
        let mut input = Tensor::<f32>::new(&allocator, self.input_shape(size))?;
        let shape: Vec<usize> = std::iter::once(size)
            .chain(self.output_dims.iter().copied())
            .collect();
        let mut output = Tensor::<f32>::new(&allocator, shape)?;
        // memory comes uninitialised
        input.extract_tensor_mut().1.fill(0.0);
        output.extract_tensor_mut().1.fill(0.0);
        let mut binding = self.session.create_binding()?;
        binding.bind_input(self.input.as_str(), &input)?;
        binding.bind_output(self.output.as_str(), &mut output)?;
        Ok(Bound {
            binding,
            input,
            output,
        })
    }

    fn input_shape(&self, size: usize) -> [usize; 4] {
        let [planes, height, width] = self.input_dims;
        [size, planes, height, width]
    }

    /// Runs zeros with the outputs left to the library, to learn their true shape: with one region, and with as
    /// many as are allowed.
    fn probe(&mut self, declared: &TensorInfo, decoder: &Decoder) -> Result<(), EngineError> {
        let one = self.size_for(1);
        let (found, values) = self.run_zeros(one)?;
        self.honours(declared, &found)?;
        if decoder.fits(&found).is_err() || found[0] != one as i64 {
            return Err(self.misfit(declared, decoder, found, one));
        }
        self.output_dims = found[1..].iter().map(|&d| d as usize).collect();
        let of_one = &values[..values.len() / one];
        if let Some(score) = decoder.out_of_range(of_one, &self.output_dims) {
            return Err(EngineError::ModelMismatch {
                path: self.path.clone(),
                what: "scores of a run on zeros",
                manifest: format!("{}, scores in 0 to 1", decoder.expected()),
                file: format!("a score of {score}"),
            });
        }
        if self.max_batch > one {
            let (many, _) = self.run_zeros(self.max_batch)?;
            if many[0] != self.max_batch as i64 || many[1..] != found[1..] {
                return Err(self.misfit(declared, decoder, many, self.max_batch));
            }
        }
        Ok(())
    }

    fn run_zeros(&mut self, size: usize) -> Result<(Vec<i64>, Vec<f32>), EngineError> {
        let zeros = vec![0.0_f32; size * self.input_len()];
        let shape = self.input_shape(size);
        let unreadable = |e: ort::Error| EngineError::ModelUnreadable {
            path: self.path.clone(),
            reason: format!("a run on zeros with a batch of {size} failed: {e}"),
        };
        let input = TensorRef::from_array_view((shape, zeros.as_slice())).map_err(unreadable)?;
        let inputs = ort::inputs![self.input.as_str() => input];
        let outputs = self.session.run(inputs).map_err(unreadable)?;
        let (shape, values) = outputs[self.output.as_str()]
            .try_extract_tensor::<f32>()
            .map_err(unreadable)?;
        Ok((shape.to_vec(), values.to_vec()))
    }

    fn honours(&self, declared: &TensorInfo, found: &[i64]) -> Result<(), EngineError> {
        let dims = &declared.dims;
        let same = |(&declared, &found): (&i64, &i64)| declared < 0 || declared == found;
        if dims.len() == found.len() && dims.iter().zip(found).all(same) {
            return Ok(());
        }
        let found = TensorInfo {
            dims: found.to_vec(),
            ..declared.clone()
        };
        Err(EngineError::ShapeNotHonoured {
            path: self.path.clone(),
            output: declared.name.clone(),
            declared: declared.to_string(),
            found: found.to_string(),
        })
    }

    fn misfit(
        &self,
        declared: &TensorInfo,
        decoder: &Decoder,
        dims: Vec<i64>,
        size: usize,
    ) -> EngineError {
        let expected = format!("{} with N = {size}", decoder.expected());
        let found = TensorInfo {
            dims,
            ..declared.clone()
        };
        contract::mismatch(&self.path, "outputs of a run", expected, &[found])
    }
}

fn open(
    runtime: &Runtime,
    bytes: &[u8],
    path: &Path,
    settings: &EngineSettings,
) -> Result<Session, EngineError> {
    let unreadable = |e: ort::Error| EngineError::ModelUnreadable {
        path: path.to_owned(),
        reason: e.to_string(),
    };
    let builder = Session::builder(&runtime.environment)
        .and_then(|b| Ok(b.with_intra_threads(settings.threads)?))
        .and_then(|b| Ok(b.with_inter_threads(1)?))
        .and_then(|b| Ok(b.with_parallel_execution(false)?))
        .and_then(|b| Ok(b.with_memory_pattern(true)?))
        .and_then(|b| Ok(b.with_optimization_level(GraphOptimizationLevel::All)?))
        .and_then(|b| Ok(b.with_intra_op_spinning(settings.spinning == Spinning::On)?))
        .map_err(unreadable)?;
    let mut builder = provider::register(builder, &settings.provider)?;
    builder.commit_from_memory(bytes).map_err(|e| {
        if settings.provider == provider::CPU {
            unreadable(e)
        } else {
            EngineError::ProviderMissing {
                asked: settings.provider.clone(),
                reason: format!("{} cannot run on it: {e}", path.display()),
                available: provider::available(),
            }
        }
    })
}

fn failed(error: ort::Error) -> EngineError {
    EngineError::Run {
        reason: error.to_string(),
    }
}
