//! One session and the memory of its inputs and outputs, made once: where the outputs' shapes are known a run
//! allocates nothing on our side.

use crate::contract::{self, BatchAxis, Contract, OutputPlan};
use crate::explain::explain;
use crate::pool::Pool;
use crate::session::{Source, open};
use crate::tensors::{Input, Memory, values_of};
use crate::{Runtime, inspect::tensor_info};
use ort::AsPointer;
use ort::session::{IoBinding, Session};
use ort::value::{TensorElementType, ValueType};
use sightline_engine::bundle::draft::{RunOutput, TensorInfo};
use sightline_engine::bundle::{InputSpec, Manifest};
use sightline_engine::decode::{Decoder, OutputView, Role};
use sightline_engine::{EngineError, EngineSettings};
use sightline_threads::Team;
use std::path::PathBuf;

/// Most outputs that a decoder reads.
const MAX_OUTPUTS: usize = 3;

/// A model file, loaded, checked against its manifest and run once.
pub(crate) struct Network {
    session: Session,
    pool: Pool,
    path: PathBuf,
    input: InputSpec,
    outputs: Vec<Output>,
    /// Outputs may have another number of rows in every run.
    varies: bool,
    batch: BatchAxis,
    max_batch: usize,
    /// For batches of 1, 2, …; made when first needed.
    bound: Vec<Option<Bound>>,
}

/// An output that is decoded.
struct Output {
    declared: TensorInfo,
    element: TensorElementType,
    role: Role,
    batched: bool,
    /// Of one region.
    dims: Vec<usize>,
    /// Of the last run, where the session does not write `f32` in place.
    values: Vec<f32>,
}

/// Tensors of one batch size that the session reads, and writes in place unless the outputs' sizes vary.
struct Bound {
    input: Input,
    in_place: Option<(IoBinding, Vec<Memory>)>,
}

impl Network {
    /// Loads the file, holds it against the manifest, and runs zeros through.
    pub(crate) fn load(
        runtime: &Runtime,
        mut source: Source<'_>,
        manifest: &Manifest,
        settings: &EngineSettings,
        decoder: &Decoder,
    ) -> Result<Self, EngineError> {
        let pool = Pool::default();
        let session = open(runtime, &mut source, settings, &pool)?;
        let path = source.path.to_owned();
        let inputs: Vec<TensorInfo> = session.inputs().iter().map(tensor_info).collect();
        let declared: Vec<TensorInfo> = session.outputs().iter().map(tensor_info).collect();
        let Contract { batch, outputs } =
            contract::agree(&path, &inputs, &declared, manifest, decoder)?;
        let max_batch = match batch {
            BatchAxis::Fixed(n) => n,
            BatchAxis::Open => settings.max_batch,
        };
        let output = |plan: &OutputPlan| Output {
            declared: declared[plan.index].clone(),
            element: match session.outputs()[plan.index].dtype() {
                ValueType::Tensor { ty, .. } => *ty,
                _ => TensorElementType::Undefined,
            },
            role: plan.role,
            batched: plan.batched,
            dims: Vec::new(),
            values: Vec::new(),
        };
        let outputs: Vec<Output> = outputs.iter().map(output).collect();
        let open_rows = |o: &Output| !o.batched || o.declared.dims[1..].contains(&-1);
        let mut network = Self {
            input: manifest.input.clone(),
            varies: decoder.varies() && outputs.iter().any(open_rows),
            outputs,
            path,
            session,
            pool,
            batch,
            max_batch,
            bound: Vec::new(),
        };
        network.bound.resize_with(max_batch, || None);
        network.probe(decoder)?;
        Ok(network)
    }

    /// The session's threads beside the caller's.
    pub(crate) fn threads(&self) -> Team {
        self.pool.0.clone()
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

    /// Elements of one region's input.
    pub(crate) fn input_len(&self) -> usize {
        self.input.elements()
    }

    /// Batch that is run for `regions` of them: a fixed file always runs full.
    fn size_for(&self, regions: usize) -> usize {
        match self.batch {
            BatchAxis::Fixed(n) => n,
            BatchAxis::Open => regions,
        }
    }

    /// The planes of `regions` regions, one after the other; at most [`Network::max_batch`].
    pub(crate) fn input_mut(&mut self, regions: usize) -> Result<&mut [f32], EngineError> {
        let len = regions * self.input_len();
        let bound = self.bound(regions)?;
        Ok(&mut bound.input.planes_mut()[..len])
    }

    /// Runs what [`Network::input_mut`] was filled with.
    pub(crate) fn run(&mut self, regions: usize) -> Result<(), EngineError> {
        self.bound(regions)?.input.settle();
        let size = self.size_for(regions);
        let Some(bound) = &mut self.bound[size - 1] else {
            unreachable!("bound above")
        };
        let Some((binding, memories)) = &bound.in_place else {
            return self.run_freely(size);
        };
        // SAFETY: both handles are alive and of this library; the binding was made by this session, its tensors
        // are owned by `bound`, which is not moved or freed during the call, and `&mut self` makes us the only
        // caller: sessions and bindings may not be used from two threads at once.
        let status = unsafe {
            (ort::api().RunWithBinding)(
                self.session.ptr().cast_mut(),
                std::ptr::null(),
                binding.ptr(),
            )
        };
        // SAFETY: the status was just returned by the library and is used nowhere else.
        unsafe { ort::Error::result_from_status(status) }.map_err(failed)?;
        for (output, memory) in self.outputs.iter_mut().zip(memories) {
            if memory.floats().is_none() {
                memory.read(&mut output.values);
            }
        }
        Ok(())
    }

    /// What the last [`Network::run`] gave for one region, in the decoder's order, and how many outputs that are.
    pub(crate) fn output(
        &self,
        regions: usize,
        region: usize,
    ) -> ([OutputView<'_>; MAX_OUTPUTS], usize) {
        let none = OutputView {
            values: &[],
            dims: &[],
        };
        let mut views = [none; MAX_OUTPUTS];
        let bound = self.bound[self.size_for(regions) - 1].as_ref();
        let memories = bound.and_then(|b| b.in_place.as_ref()).map(|(_, m)| m);
        for (i, (view, output)) in views.iter_mut().zip(&self.outputs).enumerate() {
            let len: usize = output.dims.iter().product();
            let in_place = memories.and_then(|m| m[i].floats());
            let values = in_place.unwrap_or(&output.values);
            view.values = values.get(region * len..(region + 1) * len).unwrap_or(&[]);
            view.dims = &output.dims;
        }
        (views, self.outputs.len())
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

    fn bind(&mut self, size: usize) -> ort::Result<Bound> {
        let input = Input::new(&self.input, size)?;
        if self.varies {
            return Ok(Bound {
                input,
                in_place: None,
            });
        }
        let mut binding = self.session.create_binding()?;
        input.memory.bind_input(&mut binding, &self.input.name)?;
        let mut memories = Vec::with_capacity(self.outputs.len());
        for output in &mut self.outputs {
            let shape: Vec<usize> = std::iter::once(size)
                .chain(output.dims.iter().copied())
                .collect();
            let len = shape.iter().product();
            let Some(memory) = Memory::new(output.element, shape) else {
                unreachable!("the element type was agreed on")
            };
            let mut memory = memory?;
            memory.bind_output(&mut binding, &output.declared.name)?;
            if memory.floats().is_none() && output.values.len() < len {
                output.values.resize(len, 0.0);
            }
            memories.push(memory);
        }
        Ok(Bound {
            input,
            in_place: Some((binding, memories)),
        })
    }

    /// Runs with the outputs' memory left to the library.
    fn run_freely(&mut self, size: usize) -> Result<(), EngineError> {
        let Some(bound) = &self.bound[size - 1] else {
            unreachable!("bound before")
        };
        let name = self.input.name.as_str();
        let input = bound.input.memory.view();
        let found = self
            .session
            .run(ort::inputs![name => input])
            .map_err(failed)?;
        for output in &mut self.outputs {
            let RunOutput { dims, values } =
                values_of(&found[output.declared.name.as_str()]).map_err(failed)?;
            let own = if output.batched {
                &dims[1..]
            } else {
                &dims[..]
            };
            output.dims = own.iter().map(|&d| d.max(0) as usize).collect();
            output.values = values;
        }
        Ok(())
    }

    /// Runs zeros with the outputs left to the library, to learn their true shape: with one region, and with as
    /// many as are allowed.
    fn probe(&mut self, decoder: &Decoder) -> Result<(), EngineError> {
        let one = self.size_for(1);
        let found = self.run_zeros(one)?;
        for (i, RunOutput { dims, .. }) in found.iter().enumerate() {
            let output = &self.outputs[i];
            self.honours(&output.declared, dims)?;
            let names = decoder.roles();
            let fits = decoder.fits_role(output.role, names[i].1, dims) == Ok(output.batched);
            if !fits || (output.batched && dims[0] != one as i64) {
                return Err(self.misfit(i, decoder, dims.clone(), one));
            }
            let own = if output.batched {
                &dims[1..]
            } else {
                &dims[..]
            };
            self.outputs[i].dims = own.iter().map(|&d| d as usize).collect();
        }
        let views: Vec<OutputView<'_>> = self
            .outputs
            .iter()
            .zip(&found)
            .map(|(output, RunOutput { values, .. })| OutputView {
                values: &values[..if output.batched {
                    values.len() / one
                } else {
                    values.len()
                }],
                dims: &output.dims,
            })
            .collect();
        if let Some(score) = decoder.out_of_range(&views) {
            return Err(EngineError::ModelMismatch {
                path: self.path.clone(),
                what: "scores of a run on zeros",
                manifest: format!("{}, scores in 0 to 1", decoder.expected()),
                file: format!("a score of {score}"),
            });
        }
        if self.max_batch > one {
            let many = self.run_zeros(self.max_batch)?;
            for (i, (many, first)) in many.into_iter().zip(&found).enumerate() {
                let dims = many.dims;
                let first = &first.dims;
                let same = self.varies || dims[1..] == first[1..];
                if dims[0] != self.max_batch as i64 || !same {
                    return Err(self.misfit(i, decoder, dims, self.max_batch));
                }
            }
        }
        Ok(())
    }

    fn run_zeros(&mut self, size: usize) -> Result<Vec<RunOutput>, EngineError> {
        let unreadable = |e: ort::Error| EngineError::ModelUnreadable {
            path: self.path.clone(),
            reason: format!(
                "a run on zeros with a batch of {size} failed: {}",
                explain(&e.to_string(), None)
            ),
        };
        let zeros = Input::new(&self.input, size).map_err(unreadable)?;
        let name = self.input.name.as_str();
        let inputs = ort::inputs![name => zeros.memory.view()];
        let found = self.session.run(inputs).map_err(unreadable)?;
        let read = |o: &Output| values_of(&found[o.declared.name.as_str()]).map_err(unreadable);
        self.outputs.iter().map(read).collect()
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

    fn misfit(&self, output: usize, decoder: &Decoder, dims: Vec<i64>, size: usize) -> EngineError {
        let expected = format!("{} with N = {size}", decoder.expected());
        let found = TensorInfo {
            dims,
            ..self.outputs[output].declared.clone()
        };
        contract::mismatch(&self.path, "outputs of a run", expected, &[found])
    }
}

fn failed(error: ort::Error) -> EngineError {
    EngineError::Run {
        reason: explain(&error.to_string(), None),
    }
}
