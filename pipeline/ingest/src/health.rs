//! Whether a view's picture is fit to be judged: frozen, too dark, too bright, flat, out of focus, damaged.
//!
//! Frozen is the same content without evidence of a sensor behind it. A picture that was coded by itself (raw, JPEG, a key
//! picture of H.264) and is bit for bit the one before is none: sensors have noise. One that a stream only predicts says
//! "as before" and tells nothing: a still scene looks so, until the next key picture.

use crate::measure::{Measured, full_content, measure};
use sightline_configs::station::HealthLimits;
use sightline_domain::{FrameId, Health, PictureRef};

/// What the source says of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// It is damaged.
    pub damaged: bool,
    /// It was coded as a difference to others, so that the same content again says nothing.
    pub predicted: bool,
}

/// Looks at every picture of one camera, in order. It outlives reconnections: a camera that comes back out of focus
/// is compared with what it was.
#[derive(Debug)]
pub struct HealthMonitor {
    limits: HealthLimits,
    last_id: Option<FrameId>,
    seen: Option<Measured>,
    repeats: Repeats,
    focus: Focus,
}

impl HealthMonitor {
    /// A monitor that has seen nothing.
    pub fn new(limits: HealthLimits) -> Self {
        Self {
            limits,
            last_id: None,
            seen: None,
            repeats: Repeats::default(),
            focus: Focus::default(),
        }
    }

    /// The source was opened anew: its frame numbers start over.
    pub fn numbers_restart(&mut self) {
        self.last_id = None;
    }

    /// What the last picture measured.
    pub fn seen(&self) -> Option<&Measured> {
        self.seen.as_ref()
    }

    /// Sharpness learned as normal, once enough pictures were seen.
    pub fn focus_baseline(&self) -> Option<f32> {
        self.focus.baseline
    }

    /// The next picture's health.
    pub fn judge(&mut self, id: FrameId, picture: &PictureRef<'_>, origin: Origin) -> Health {
        let same_number = self.last_id.replace(id) == Some(id);
        let seen = measure(picture);
        self.seen = Some(seen);
        let frozen = self.repeats.add(&seen, origin.predicted, &self.limits, || {
            full_content(picture)
        });
        if origin.damaged {
            Health::Corrupt
        } else if same_number || frozen {
            Health::Frozen
        } else {
            self.judge_light(&seen)
        }
    }

    fn judge_light(&mut self, seen: &Measured) -> Health {
        if seen.level < self.limits.dark_below {
            Health::TooDark
        } else if seen.level > self.limits.bright_above || seen.white > self.limits.white_share {
            Health::TooBright
        } else if is_flat(seen, self.limits.flat_below) {
            Health::Flat
        } else if self.focus.too_soft(seen.sharpness, &self.limits) {
            Health::OutOfFocus
        } else {
            Health::Ok
        }
    }
}

/// Hardly any contrast, and no more edges than noise of that contrast makes: a small part on an even ground has some.
fn is_flat(seen: &Measured, flat_below: f32) -> bool {
    seen.contrast < flat_below && seen.sharpness <= 0.5 + 8.0 * seen.contrast * seen.contrast
}

/// Counts pictures in a row with the same content. The sampled rows decide cheaply that two differ; that two are the
/// same is believed only of all their bytes, because a small defect may lie between the sampled rows.
#[derive(Debug, Default)]
struct Repeats {
    sample: Option<u64>,
    full: Option<u64>,
    /// Of these, how many were coded by themselves, and how many were predicted.
    own: u32,
    predicted: u32,
}

impl Repeats {
    fn add(
        &mut self,
        seen: &Measured,
        predicted: bool,
        limits: &HealthLimits,
        full: impl FnOnce() -> u64,
    ) -> bool {
        let frozen_after = limits.frozen_after;
        if frozen_after == 0 {
            return false;
        }
        let same_sample = self.sample.replace(seen.content) == Some(seen.content);
        // With a run of two, the first picture's full hash is needed when the second comes.
        let now = (same_sample || frozen_after <= 2).then(full);
        let before = std::mem::replace(&mut self.full, now);
        if !(same_sample && (before.is_none() || before == now)) {
            (self.own, self.predicted) = (0, 0);
        }
        let predicted = predicted && limits.still_pictures > 0;
        // What a run begins with is new, however it was coded.
        if predicted && self.own + self.predicted > 0 {
            self.predicted += 1;
        } else {
            self.own += 1;
        }
        (self.own >= frozen_after && frozen_after > 1)
            || (self.predicted > 0 && self.predicted >= limits.still_pictures)
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
    use sightline_domain::PixelFormat;

    const DAMAGED: Origin = Origin {
        damaged: true,
        predicted: false,
    };
    const W: u32 = 640;
    const H: u32 = 640;

    fn picture(bytes: &[u8]) -> PictureRef<'_> {
        PictureRef {
            width: W,
            height: H,
            format: PixelFormat::Gray8,
            levels: sightline_domain::Levels::default(),
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
            .map(|(id, bytes)| monitor.judge(FrameId(id), &picture(bytes), Origin::default()))
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
            monitor.judge(FrameId(5), &picture(&a), Origin::default()),
            Health::Frozen
        );
        monitor.numbers_restart();
        assert_eq!(
            monitor.judge(FrameId(5), &picture(&a), Origin::default()),
            Health::Ok
        );
    }

    #[test]
    fn light_and_damage_are_seen() {
        let mut monitor = HealthMonitor::new(HealthLimits::default());
        let flat = |level: u8| vec![level; (W * H) as usize];
        let seen = judge_all(&mut monitor, &[flat(3), flat(253), flat(100)]);
        assert_eq!(seen, [Health::TooDark, Health::TooBright, Health::Flat]);
        assert_eq!(
            monitor.judge(FrameId(9), &picture(&flat(101)), DAMAGED),
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

    /// `k`: coded by itself, `p`: predicted; capitals have new content.
    fn stream(limits: &HealthLimits, pictures: &str) -> String {
        let mut monitor = HealthMonitor::new(limits.clone());
        let mut phase = 0;
        let judged = pictures.chars().enumerate().map(|(id, kind)| {
            phase += usize::from(kind.is_uppercase());
            let origin = Origin {
                damaged: false,
                predicted: kind.eq_ignore_ascii_case(&'p'),
            };
            let seen = monitor.judge(FrameId(id as u64), &picture(&stripes(50, phase)), origin);
            if seen == Health::Frozen { 'x' } else { '.' }
        });
        judged.collect()
    }

    #[test]
    fn what_a_stream_predicts_is_a_still_scene_until_the_same_key_picture_comes_again() {
        let limits = HealthLimits::default();
        assert_eq!(stream(&limits, "KppppppKpppp"), "............");
        assert_eq!(stream(&limits, "KpppPpppKppp"), "............");
        assert_eq!(stream(&limits, "Kpppkpp"), "....xxx");
        assert_eq!(stream(&limits, "Kk"), ".x");
        assert_eq!(stream(&limits, "KpppkppPp"), "....xxx..");
    }

    #[test]
    fn stills_are_taken_for_so_long_as_is_set() {
        let set = |still_pictures| HealthLimits {
            still_pictures,
            ..HealthLimits::default()
        };
        assert_eq!(stream(&set(0), "Kppp"), ".xxx");
        assert_eq!(stream(&set(3), "KppppP"), "...xx.");
        let off = HealthLimits {
            frozen_after: 0,
            ..set(0)
        };
        assert_eq!(stream(&off, "Kppkk"), ".....");
    }

    #[test]
    fn a_dark_picture_with_noise_is_dark_and_a_wall_is_flat() {
        let mut monitor = HealthMonitor::new(HealthLimits::default());
        let noise = |around: i32, by: i32| -> Vec<u8> {
            let level =
                |i: u32| around + (i.wrapping_mul(2_654_435_761) >> 16) as i32 % (2 * by + 1) - by;
            (0..W * H).map(|i| level(i).clamp(0, 255) as u8).collect()
        };
        let mut judge = |id, bytes: &[u8], levels| {
            let picture = PictureRef {
                levels,
                ..picture(bytes)
            };
            monitor.judge(FrameId(id), &picture, Origin::default())
        };
        let video = sightline_domain::Levels::guessed(PixelFormat::Nv12, H);
        let full = sightline_domain::Levels::default();
        assert_eq!(judge(0, &noise(16, 4), video), Health::TooDark);
        assert_eq!(judge(1, &noise(235, 3), video), Health::TooBright);
        assert_eq!(judge(2, &noise(90, 1), full), Health::Flat);
        assert_eq!(judge(3, &noise(90, 20), full), Health::Ok);
        let mut small = vec![90; (W * H) as usize];
        (300..340).for_each(|y| small[y * W as usize + 300..][..40].fill(140));
        assert_eq!(judge(4, &small, full), Health::Ok);
    }
}
