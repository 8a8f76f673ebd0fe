//! Typed settings: what the box is (configuration) and what a product is (recipe).
//!
//! A TOML file becomes a [`Station`] or a [`Recipe`] strictly (an unknown field is an error that names the nearest
//! known one), then the two are cross-checked without touching disk or network. Nothing here opens anything.
//! Where to start: [`station`] and [`recipe`] hold the fields with their defaults and meaning.

pub mod challenge;
mod check;
pub mod console;
mod devices;
mod engine;
mod health;
pub mod journal;
mod load;
mod models;
mod mqtt;
mod problem;
mod range;
mod read;
pub mod recipe;
pub mod redact;
pub mod station;
mod tiles;
mod windows;

pub use check::{check_recipe, check_station};
pub use load::{Loaded, load, load_recipe, recipe_id};
pub use problem::{Problem, Problems};
pub use range::is_unseen;
pub use read::{Source, nearest, read};
pub use recipe::Recipe;
pub use station::Station;
pub use windows::part_spacing_ms;
