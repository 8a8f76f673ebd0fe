//! What the box says of its GPU: clocks, power, temperature. NVML on PCs; on a Jetson, which has none, the kernel's files
//! (Jetson Linux developer guide, "Power and thermal": ina3221 rails, devfreq, thermal zones). Read, never set.

use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use std::fs;
use std::path::{Path, PathBuf};

/// One look; what the box does not tell is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Of the multiprocessors, MHz.
    pub gpu_mhz: Option<u32>,
    /// Of the memory, MHz.
    pub memory_mhz: Option<u32>,
    /// Of the whole board; on a Jetson of the rail that has the GPU on it, watts.
    pub power_w: Option<f64>,
    /// Of the GPU, degrees Celsius.
    pub temperature_c: Option<f64>,
}

/// Where readings come from.
pub enum Meter {
    /// NVIDIA's management library, of the GPU it counts first.
    Nvml(Box<Nvml>),
    /// The kernel's files below this root.
    Kernel(PathBuf),
}

impl Meter {
    /// NVML, else the kernel's files of a Jetson; `None`: this box tells nothing.
    pub fn open() -> Option<Self> {
        if let Ok(nvml) = Nvml::init() {
            return Some(Self::Nvml(Box::new(nvml)));
        }
        let kernel = Self::Kernel("/".into());
        (kernel.read() != Reading::default()).then_some(kernel)
    }

    /// Reads once; takes well under a millisecond.
    pub fn read(&self) -> Reading {
        match self {
            Self::Nvml(nvml) => nvml_reading(nvml).unwrap_or_default(),
            Self::Kernel(root) => kernel_reading(root),
        }
    }
}

fn nvml_reading(nvml: &Nvml) -> Option<Reading> {
    let gpu = nvml.device_by_index(0).ok()?;
    let milliwatts = gpu.power_usage().ok();
    let degrees = gpu.temperature(TemperatureSensor::Gpu).ok();
    Some(Reading {
        gpu_mhz: gpu.clock_info(Clock::SM).ok(),
        memory_mhz: gpu.clock_info(Clock::Memory).ok(),
        power_w: milliwatts.map(|mw| f64::from(mw) / 1e3),
        temperature_c: degrees.map(f64::from),
    })
}

fn kernel_reading(root: &Path) -> Reading {
    let hertz = entries(&root.join("sys/class/devfreq")).find_map(|device| {
        let name = device.file_name()?.to_str()?.to_owned();
        // 17000000.gpu; before JetPack 6 by the chip: gv11b is Xavier's, ga10b Orin's
        let is_gpu = [".gpu", ".ga10b", ".gv11b"]
            .iter()
            .any(|end| name.ends_with(end));
        is_gpu.then(|| number(&device.join("cur_freq"))).flatten()
    });
    let rails = entries(&root.join("sys/bus/i2c/drivers/ina3221"))
        .flat_map(|chip| entries(&chip.join("hwmon")))
        .flat_map(|monitor| (1..=3).map(move |channel| (monitor.clone(), channel)));
    let power = rails.filter_map(|(monitor, channel)| {
        let label = text(&monitor.join(format!("in{channel}_label")))?;
        let volts = number(&monitor.join(format!("in{channel}_input")))? / 1e3;
        let amperes = number(&monitor.join(format!("curr{channel}_input")))? / 1e3;
        label.contains("GPU").then_some(volts * amperes)
    });
    let degrees = entries(&root.join("sys/class/thermal")).find_map(|zone| {
        let kind = text(&zone.join("type"))?.to_ascii_lowercase();
        let is_gpu = kind.starts_with("gpu");
        is_gpu.then(|| number(&zone.join("temp"))).flatten()
    });
    Reading {
        gpu_mhz: hertz.map(|hz| (hz / 1e6).round() as u32),
        memory_mhz: None,
        power_w: power.reduce(|a, b| a + b),
        temperature_c: degrees.map(|milli| milli / 1e3),
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

fn text(file: &Path) -> Option<String> {
    fs::read_to_string(file).ok().map(|t| t.trim().to_owned())
}

fn number(file: &Path) -> Option<f64> {
    text(file)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jetson_is_read_from_the_kernel_s_files() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let put = |path: &str, content: &str| {
            let file = root.path().join(path);
            fs::create_dir_all(file.parent().expect("a folder")).expect("room");
            fs::write(file, content).expect("room");
        };
        put("sys/class/devfreq/17000000.gpu/cur_freq", "1300500000\n");
        put("sys/class/devfreq/15a50000.ofa/cur_freq", "800000000\n");
        let rail = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3";
        for (channel, label, millivolts, milliamperes) in [
            (1, "VDD_GPU_SOC", 19_000, 500),
            (2, "VDD_CPU_CV", 19_000, 300),
        ] {
            put(&format!("{rail}/in{channel}_label"), label);
            put(
                &format!("{rail}/in{channel}_input"),
                &millivolts.to_string(),
            );
            put(
                &format!("{rail}/curr{channel}_input"),
                &milliamperes.to_string(),
            );
        }
        put("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
        put("sys/class/thermal/thermal_zone0/temp", "50000\n");
        put("sys/class/thermal/thermal_zone1/type", "gpu-thermal\n");
        put("sys/class/thermal/thermal_zone1/temp", "47500\n");
        let meter = Meter::Kernel(root.path().to_owned());
        let want = Reading {
            gpu_mhz: Some(1_301),
            memory_mhz: None,
            power_w: Some(9.5),
            temperature_c: Some(47.5),
        };
        assert_eq!(meter.read(), want);
    }

    #[test]
    fn a_box_that_tells_nothing_gives_an_empty_reading() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let meter = Meter::Kernel(root.path().to_owned());
        assert_eq!(meter.read(), Reading::default());
    }
}
