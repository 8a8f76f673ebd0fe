//! Typed settings and recipes: strict TOML to cross-checked types.
