//! NVRTC, loaded at run time: the kernels' source to machine code for the GPU that is there.
//!
//! cudarc has bindings too, but they end the process where the library is missing, and take no path.

use crate::library::{Search, symbol};
use crate::store::Store;
use libloading::Library;
use serde::Serialize;
use sightline_engine::EngineError;
use std::ffi::{CString, c_char, c_int, c_void};
use std::path::PathBuf;
use std::ptr::null_mut;

const LIBRARY: &str = "NVRTC library (libnvrtc.so)";
const NAMES: [&str; 4] = [
    "libnvrtc.so.13",
    "libnvrtc.so.12",
    "libnvrtc.so.11.2",
    "libnvrtc.so",
];
const ADVICE: &str = "install the CUDA toolkit's NVRTC (JetPack has it), or run `scripts/tensorrt`";

type Program = *mut c_void;
type Status = c_int;

/// NVRTC's functions that we use.
struct Calls {
    version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> Status,
    create: unsafe extern "C" fn(
        *mut Program,
        *const c_char,
        *const c_char,
        c_int,
        *const *const c_char,
        *const *const c_char,
    ) -> Status,
    destroy: unsafe extern "C" fn(*mut Program) -> Status,
    compile: unsafe extern "C" fn(Program, c_int, *const *const c_char) -> Status,
    log_size: unsafe extern "C" fn(Program, *mut usize) -> Status,
    log: unsafe extern "C" fn(Program, *mut c_char) -> Status,
    cubin_size: unsafe extern "C" fn(Program, *mut usize) -> Status,
    cubin: unsafe extern "C" fn(Program, *mut c_char) -> Status,
}

/// NVRTC, loaded.
pub struct Nvrtc {
    calls: Calls,
    path: PathBuf,
    _library: Library,
}

#[derive(Serialize)]
struct Key<'k> {
    sources: &'k [&'k str],
    capability: u32,
    nvrtc: (c_int, c_int),
}

impl Nvrtc {
    /// Loads it; NVRTC may lie elsewhere than TensorRT, so that a named place is only looked at first.
    ///
    /// # Errors
    /// [`EngineError::LibraryMissing`], [`EngineError::LibraryUnusable`].
    pub fn load(search: &Search) -> Result<Self, EngineError> {
        let elsewhere = Search {
            named: None,
            ..search.clone()
        };
        let (library, path) = search
            .load(LIBRARY, &NAMES, ADVICE)
            .or_else(|_| elsewhere.load(LIBRARY, &NAMES, ADVICE))?;
        // SAFETY: the types are those of nvrtc.h, which have not changed since CUDA 11.
        let calls = unsafe {
            Calls {
                version: symbol(&library, LIBRARY, &path, "nvrtcVersion")?,
                create: symbol(&library, LIBRARY, &path, "nvrtcCreateProgram")?,
                destroy: symbol(&library, LIBRARY, &path, "nvrtcDestroyProgram")?,
                compile: symbol(&library, LIBRARY, &path, "nvrtcCompileProgram")?,
                log_size: symbol(&library, LIBRARY, &path, "nvrtcGetProgramLogSize")?,
                log: symbol(&library, LIBRARY, &path, "nvrtcGetProgramLog")?,
                cubin_size: symbol(&library, LIBRARY, &path, "nvrtcGetCUBINSize")?,
                cubin: symbol(&library, LIBRARY, &path, "nvrtcGetCUBIN")?,
            }
        };
        Ok(Self {
            calls,
            path,
            _library: library,
        })
    }

    /// The kernels of `sources`, compiled as one file, for GPUs of `capability` (87: 8.7); from the store where it has
    /// them.
    ///
    /// # Errors
    /// [`EngineError::LibraryUnusable`] with the compiler's words.
    pub fn kernels(
        &self,
        sources: &[&str],
        capability: u32,
        store: Option<&Store>,
    ) -> Result<Vec<u8>, EngineError> {
        let key = Key {
            sources,
            capability,
            nvrtc: self.version()?,
        };
        if let Some(Ok(cubin)) = store.map(|s| s.get("kernels", &key)) {
            return Ok(cubin);
        }
        let cubin = self.compile(sources, capability)?;
        if let Some(Err(error)) = store.map(|s| s.put("kernels", &key, &cubin)) {
            tracing::warn!(%error, "the compiled kernels are not kept");
        }
        Ok(cubin)
    }

    fn version(&self) -> Result<(c_int, c_int), EngineError> {
        let (mut major, mut minor) = (0, 0);
        // SAFETY: writes two numbers to locals.
        let status = unsafe { (self.calls.version)(&mut major, &mut minor) };
        self.check("nvrtcVersion", status, "")?;
        Ok((major, minor))
    }

    fn check(&self, call: &str, status: Status, words: &str) -> Result<(), EngineError> {
        if status == 0 {
            return Ok(());
        }
        Err(EngineError::LibraryUnusable {
            library: LIBRARY,
            path: self.path.clone(),
            reason: format!("{call} answered {status}; {words}"),
        })
    }

    fn compile(&self, sources: &[&str], capability: u32) -> Result<Vec<u8>, EngineError> {
        let source = CString::new(sources.concat()).unwrap_or_default();
        let mut program = null_mut();
        // SAFETY: both strings end in NUL and outlive the call, there are no headers.
        let status = unsafe {
            (self.calls.create)(
                &mut program,
                source.as_ptr(),
                c"sightline.cu".as_ptr(),
                0,
                std::ptr::null(),
                std::ptr::null(),
            )
        };
        self.check("nvrtcCreateProgram", status, "")?;
        let cubin = self.compile_program(program, capability);
        // SAFETY: created above, destroyed once.
        let status = unsafe { (self.calls.destroy)(&mut program) };
        let cubin = cubin?;
        self.check("nvrtcDestroyProgram", status, "")?;
        Ok(cubin)
    }

    fn compile_program(&self, program: Program, capability: u32) -> Result<Vec<u8>, EngineError> {
        // no fused multiply-add: the same last bits as the CPU's decoders
        let options = [
            format!("--gpu-architecture=sm_{capability}"),
            "--std=c++14".to_owned(),
            "--fmad=false".to_owned(),
        ];
        let options = options.map(|o| CString::new(o).unwrap_or_default());
        let pointers = options.each_ref().map(|o| o.as_ptr());
        // SAFETY: the program was created by the caller; the options outlive the call.
        let status =
            unsafe { (self.calls.compile)(program, pointers.len() as c_int, pointers.as_ptr()) };
        let log = self.read(program, self.calls.log_size, self.calls.log)?;
        let words = String::from_utf8_lossy(&log);
        let words = format!(
            "for sm_{capability}: {}",
            words.trim_end_matches('\0').trim()
        );
        self.check("nvrtcCompileProgram", status, &words)?;
        self.read(program, self.calls.cubin_size, self.calls.cubin)
    }

    fn read(
        &self,
        program: Program,
        size: unsafe extern "C" fn(Program, *mut usize) -> Status,
        read: unsafe extern "C" fn(Program, *mut c_char) -> Status,
    ) -> Result<Vec<u8>, EngineError> {
        let mut bytes = 0;
        // SAFETY: the program is the caller's; one number is written to a local.
        let status = unsafe { size(program, &mut bytes) };
        self.check("nvrtcGet…Size", status, "")?;
        let mut content = vec![0_u8; bytes];
        // SAFETY: the program is the caller's; so many bytes are written.
        let status = unsafe { read(program, content.as_mut_ptr().cast()) };
        self.check("nvrtcGet…", status, "")?;
        Ok(content)
    }
}
