//! The operator's console: one window on the station, a process of its own.
//!
//! What lives here: the window ([`app`]), what it is drawn from ([`view`]), colours and sizes ([`tokens`]), texts
//! ([`texts`]), pieces that screens share ([`pieces`], [`dialogs`]) and a file a screen ([`screens`]). It sees plain data and
//! the socket, nothing else of the station; if it ends, the inspection does not notice.
//! Where to start: [`app::Console`], then `screens/line.rs`.

pub mod app;
pub mod dialogs;
pub mod filters;
mod fonts;
pub mod frame;
pub mod pieces;
pub mod screens;
pub mod texts;
pub mod tokens;
pub mod view;
