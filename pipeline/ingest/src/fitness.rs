//! What is wrong with a camera's pictures, from the evidence of several: raised by pictures, ended by healthy ones.
//!
//! Nothing ends by silence: a camera that gave dark pictures and then none is not known to be better.

use sightline_domain::Health;

/// What can be wrong with pictures that arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unfit {
    /// The same picture again and again.
    Frozen,
    /// Too dark.
    Dark,
    /// Too bright.
    Bright,
    /// Out of focus.
    Blurred,
    /// Nothing is to be seen.
    Flat,
    /// Damaged.
    Corrupt,
    /// They cannot be read.
    Undecodable,
    /// They have another size than the camera's first.
    Size,
}

impl Unfit {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Frozen,
        Self::Dark,
        Self::Bright,
        Self::Blurred,
        Self::Flat,
        Self::Corrupt,
        Self::Undecodable,
        Self::Size,
    ];

    pub(crate) fn of(health: Health) -> Option<Self> {
        match health {
            Health::Ok | Health::Misaligned => None,
            Health::Frozen => Some(Self::Frozen),
            Health::TooDark => Some(Self::Dark),
            Health::TooBright => Some(Self::Bright),
            Health::OutOfFocus => Some(Self::Blurred),
            Health::Corrupt => Some(Self::Corrupt),
            Health::Flat => Some(Self::Flat),
        }
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A picture of a kind weighs so much against a healthy one, so that one in five or more is told in the end.
const WEIGHT: u32 = 4;
/// So many pictures of a kind in a row are enough.
const ENOUGH: u32 = 3;
/// So many healthy pictures in a row end everything.
const HEALTHY: u32 = 8;

/// The evidence of one camera.
#[derive(Debug, Default)]
pub(crate) struct Fitness {
    weights: [u32; Unfit::ALL.len()],
    healthy: u32,
    was_ever: bool,
    raised: u16,
    /// The last picture was of no use and none ever was.
    never: bool,
}

/// What [`Fitness`] shows: a bit for each kind that is raised, and [`NEVER`].
pub(crate) type Shown = u16;

/// No picture has been of use yet.
pub(crate) const NEVER: Shown = 1 << 15;

impl Fitness {
    /// A picture came, or did not become one. True: what is shown has changed.
    pub(crate) fn saw(&mut self, what: Option<Unfit>) -> bool {
        let before = self.shown();
        match what {
            Some(kind) => {
                self.healthy = 0;
                let weight = &mut self.weights[kind as usize];
                *weight = (*weight + WEIGHT).min(WEIGHT * ENOUGH);
                if *weight == WEIGHT * ENOUGH {
                    self.raised |= kind.bit();
                }
                self.never = !self.was_ever;
            }
            None => {
                (self.was_ever, self.never) = (true, false);
                self.healthy += 1;
                for weight in &mut self.weights {
                    *weight = weight.saturating_sub(1);
                }
                if self.healthy >= HEALTHY {
                    (self.weights, self.raised) = Default::default();
                }
            }
        }
        self.shown() != before
    }

    pub(crate) fn shown(&self) -> Shown {
        self.raised | if self.never { NEVER } else { 0 }
    }
}

/// The kinds that are raised.
pub(crate) fn raised(shown: Shown) -> impl Iterator<Item = Unfit> {
    Unfit::ALL
        .into_iter()
        .filter(move |kind| shown & kind.bit() != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pictures: impl IntoIterator<Item = Option<Unfit>>) -> Vec<Unfit> {
        let mut fitness = Fitness::default();
        fitness.saw(None);
        for picture in pictures {
            fitness.saw(picture);
        }
        raised(fitness.shown()).collect()
    }

    const DARK: Option<Unfit> = Some(Unfit::Dark);

    #[test]
    fn three_in_a_row_are_told_and_one_is_not() {
        assert_eq!(after([DARK]), []);
        assert_eq!(after([DARK; 2]), []);
        assert_eq!(after([DARK; 3]), [Unfit::Dark]);
    }

    #[test]
    fn every_second_or_fourth_is_told_and_one_in_a_hundred_never() {
        let every = |n: usize| after((0..600).map(|i| if i % n == 0 { DARK } else { None }));
        assert_eq!(every(2), [Unfit::Dark]);
        assert_eq!(every(4), [Unfit::Dark]);
        assert_eq!(every(100), []);
    }

    #[test]
    fn kinds_that_alternate_are_told_both() {
        let both = (0..12).map(|i| {
            if i % 2 == 0 {
                DARK
            } else {
                Some(Unfit::Corrupt)
            }
        });
        assert_eq!(after(both), [Unfit::Dark, Unfit::Corrupt]);
    }

    #[test]
    fn only_healthy_pictures_end_it_and_few_do_not() {
        let dark = || std::iter::repeat_n(DARK, 50);
        assert_eq!(after(dark().chain([None; 7])), [Unfit::Dark]);
        assert_eq!(after(dark().chain([None; 8])), []);
        assert_eq!(
            after(
                dark()
                    .chain([None; 7])
                    .chain([Some(Unfit::Frozen)])
                    .chain([None; 7])
            ),
            [Unfit::Dark]
        );
    }

    #[test]
    fn a_camera_is_of_no_use_from_its_first_picture_on_until_one_is() {
        let mut fitness = Fitness::default();
        assert!(fitness.saw(Some(Unfit::Undecodable)));
        assert_eq!(fitness.shown(), NEVER);
        assert!(fitness.saw(None));
        assert_eq!(fitness.shown(), 0);
        fitness.saw(Some(Unfit::Undecodable));
        assert_eq!(fitness.shown(), 0);
    }
}
