//! Whether a view's picture is fit to be judged: frozen, too dark, too bright, out of focus, damaged.

use crate::measure::{Measured, full_content, measure};
use sightline_configs::station::HealthLimits;
use sightline_model::{FrameId, Health, PictureRef};

/// Looks at every picture of one camera, in order. It outlives reconnections: a camera that comes back out of focus
/// is compared with what it was.
#[derive(Debug)]
pub struct HealthMonitor {
    limits: HealthLimits,
    last_id: Option<FrameId>,
    repeats: Repeats,
    focus: Focus,
}

impl HealthMonitor {
    /// A monitor that has seen nothing.
    pub fn new(limits: HealthLimits) -> Self {
        Self {
            limits,
            last_id: None,
            repeats: Repeats::default(),
            focus: Focus::default(),
        }
    }

    /// The source was opened anew: its frame numbers start over.
    pub fn numbers_restart(&mut self) {
        self.last_id = None;
    }

    /// Sharpness learned as normal, once enough pictures were seen.
    pub fn focus_baseline(&self) -> Option<f32> {
        self.focus.baseline
    }

    /// The next picture's health. `damaged` is the source's own word that it is.
    pub fn judge(&mut self, id: FrameId, picture: &PictureRef<'_>, damaged: bool) -> Health {
        let same_number = self.last_id.replace(id) == Some(id);
        let seen = measure(picture);
        let same_content = self
            .repeats
            .add(seen.content, self.limits.frozen_after, || {
                full_content(picture)
            });
        if damaged {
            Health::Corrupt
        } else if same_number || same_content {
            Health::Frozen
        } else {
            self.judge_light(&seen)
        }
    }

    fn judge_light(&mut self, seen: &Measured) -> Health {
        if seen.level < self.limits.dark_below {
            Health::TooDark
        } else if seen.level > self.limits.bright_above {
            Health::TooBright
        } else if self.focus.too_soft(seen.sharpness, &self.limits) {
            Health::OutOfFocus
        } else {
            Health::Ok
        }
    }
}

/// Counts pictures in a row with the same content. The sampled rows decide cheaply that two differ; that two are the
/// same is believed only of all their bytes, because a small defect may lie between the sampled rows.
#[derive(Debug, Default)]
struct Repeats {
    sample: Option<u64>,
    full: Option<u64>,
    run: u32,
}

impl Repeats {
    fn add(&mut self, sample: u64, frozen_after: u32, full: impl FnOnce() -> u64) -> bool {
        if frozen_after == 0 {
            return false;
        }
        let same_sample = self.sample.replace(sample) == Some(sample);
        // With a run of two, the first picture's full hash is needed when the second comes.
        let now = (same_sample || frozen_after <= 2).then(full);
        let before = std::mem::replace(&mut self.full, now);
        let same = same_sample && (before.is_none() || before == now);
        self.run = if same { self.run + 1 } else { 1 };
        self.run >= frozen_after && frozen_after > 1
    }
}

/// Learns the mean sharpness of the first healthy pictures and keeps to it.
#[derive(Debug, Default)]
struct Focus {
    baseline: Option<f32>,
    sum: f64,
    seen: u32,
}

impl Focus {
    fn too_soft(&mut self, sharpness: f32, limits: &HealthLimits) -> bool {
        if limits.focus_share <= 0.0 {
            return false;
        }
        if let Some(baseline) = self.baseline {
            return sharpness < baseline * limits.focus_share;
        }
        self.sum += f64::from(sharpness);
        self.seen += 1;
        if self.seen >= limits.focus_learn.max(1) {
            self.baseline = Some((self.sum / f64::from(self.seen)) as f32);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightline_model::PixelFormat;

    const W: u32 = 640;
    const H: u32 = 640;

    fn picture(bytes: &[u8]) -> PictureRef<'_> {
        PictureRef {
            width: W,
            height: H,
            format: PixelFormat::Gray8,
            layout: PixelFormat::Gray8.default_layout(W, H),
            bytes,
        }
    }

    fn stripes(contrast: u8, phase: usize) -> Vec<u8> {
        (0..(W * H) as usize)
            .map(|i| {
                if (i + phase) % 8 < 4 {
                    100
                } else {
                    100 + contrast
                }
            })
            .collect()
    }

    fn judge_all(monitor: &mut HealthMonitor, pictures: &[Vec<u8>]) -> Vec<Health> {
        let from = monitor.last_id.map_or(0, |id| id.0 + 1);
        (from..)
            .zip(pictures)
            .map(|(id, bytes)| monitor.judge(FrameId(id), &picture(bytes), false))
            .collect()
    }

    #[test]
    fn by_default_the_first_repeated_picture_is_frozen() {
        let mut monitor = HealthMonitor::new(HealthLimits::default());
        let (a, b) = (stripes(50, 0), stripes(50, 1));
        let seen = judge_all(&mut monitor, &[a.clone(), b.clone(), b, a]);
        assert_eq!(seen, [Health::Ok, Health::Ok, Health::Frozen, Health::Ok]);
    }

    #[test]
    fn with_a_limit_of_three_the_third_same_picture_is_frozen_and_a_new_one_thaws() {
        let mut monitor = HealthMonitor::new(HealthLimits {
            frozen_after: 3,
            ..HealthLimits::default()
        });
        let (a, b) = (stripes(50, 0), stripes(50, 1));
        let seen = judge_all(
            &mut monitor,
            &[
                a.clone(),
                a.clone(),
                b.clone(),
                a.clone(),
                a.clone(),
                a.clone(),
                a,
                b,
            ],
        );
        use Health::{Frozen, Ok};
        assert_eq!(seen, [Ok, Ok, Ok, Ok, Ok, Frozen, Frozen, Ok]);
    }

    #[test]
    fn pictures_that_differ_in_one_pixel_anywhere_are_not_the_same() {
        let mut monitor = HealthMonitor::new(HealthLimits::default());
        let pictures: Vec<_> = (0..20)
            .map(|i| {
                let mut bytes = stripes(50, 0);
                bytes[(i * 31 + 1) * W as usize + 7] ^= 1;
                bytes
            })
            .collect();
        assert!(
            judge_all(&mut monitor, &pictures)
                .iter()
                .all(|h| *h == Health::Ok)
        );
    }

    #[test]
    fn the_check_on_content_can_be_switched_off_but_not_that_on_numbers() {
        let mut monitor = HealthMonitor::new(HealthLimits {
            frozen_after: 0,
            ..HealthLimits::default()
        });
        let a = stripes(50, 0);
        assert!(
            judge_all(&mut monitor, &vec![a.clone(); 6])
                .iter()
                .all(|h| *h == Health::Ok)
        );
        assert_eq!(
            monitor.judge(FrameId(5), &picture(&a), false),
            Health::Frozen
        );
        monitor.numbers_restart();
        assert_eq!(monitor.judge(FrameId(5), &picture(&a), false), Health::Ok);
    }

    #[test]
    fn light_and_damage_are_seen() {
        let mut monitor = HealthMonitor::new(HealthLimits::default());
        let flat = |level: u8| vec![level; (W * H) as usize];
        let seen = judge_all(&mut monitor, &[flat(3), flat(253), flat(100)]);
        assert_eq!(seen, [Health::TooDark, Health::TooBright, Health::Ok]);
        assert_eq!(
            monitor.judge(FrameId(9), &picture(&flat(101)), true),
            Health::Corrupt
        );
    }

    #[test]
    fn focus_is_compared_with_what_was_learned_from_healthy_pictures() {
        let mut monitor = HealthMonitor::new(HealthLimits {
            focus_learn: 4,
            frozen_after: 0,
            ..HealthLimits::default()
        });
        let (sharp, soft, dark) = (stripes(60, 0), stripes(20, 0), vec![0; (W * H) as usize]);
        let seen = judge_all(
            &mut monitor,
            &[sharp.clone(), dark, sharp.clone(), sharp.clone()],
        );
        assert_eq!(seen[1], Health::TooDark);
        assert_eq!(
            monitor.focus_baseline(),
            None,
            "a dark picture teaches nothing"
        );
        let seen = judge_all(&mut monitor, &[sharp.clone(), soft, sharp]);
        assert!(monitor.focus_baseline().is_some());
        assert_eq!(seen, [Health::Ok, Health::OutOfFocus, Health::Ok]);
    }
}
