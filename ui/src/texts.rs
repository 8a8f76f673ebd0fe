//! Texts by key, from one file a language. A key that is missing shows itself.

use std::collections::BTreeMap;

/// A language of the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// What it calls itself.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "简体中文",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::English => include_str!("../strings/en.toml"),
            Self::Chinese => include_str!("../strings/zh.toml"),
        }
    }
}

/// The texts of one language.
#[derive(Clone, Debug)]
pub struct Texts {
    language: Language,
    by_key: BTreeMap<String, String>,
}

impl Texts {
    /// Of a language.
    pub fn new(language: Language) -> Self {
        let table: toml::Table = language.file().parse().unwrap_or_default();
        let mut by_key = BTreeMap::new();
        for (group, texts) in &table {
            for (key, text) in texts.as_table().into_iter().flatten() {
                let text = text.as_str().unwrap_or_default().to_owned();
                by_key.insert(format!("{group}.{key}"), text);
            }
        }
        Self { language, by_key }
    }

    /// Which language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The text of a key.
    pub fn t<'a>(&'a self, key: &'a str) -> &'a str {
        self.by_key.get(key).map_or(key, String::as_str)
    }

    /// Whether there is one.
    pub fn has(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    /// The text of a key with its `{}` filled in, in order.
    pub fn with(&self, key: &str, values: &[&dyn std::fmt::Display]) -> String {
        let mut parts = self.t(key).split("{}");
        let mut out = parts.next().unwrap_or_default().to_owned();
        for (part, value) in parts.zip(values) {
            out.push_str(&value.to_string());
            out.push_str(part);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn both_languages_have_the_same_keys_with_the_same_holes() {
        let [en, zh] = Language::ALL.map(Texts::new);
        assert!(en.by_key.len() > 150, "{}", en.by_key.len());
        let keys = |t: &Texts| t.by_key.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&en), keys(&zh));
        for (key, text) in &en.by_key {
            let holes = |text: &str| text.matches("{}").count();
            assert_eq!(holes(text), holes(zh.t(key)), "{key}");
            assert!(!text.is_empty() && !zh.t(key).is_empty(), "{key}");
        }
    }

    /// The sources of this crate.
    fn sources() -> String {
        fn add(folder: &Path, into: &mut String) {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    add(&path, into);
                } else {
                    into.push_str(&std::fs::read_to_string(&path).unwrap());
                }
            }
        }
        let mut all = String::new();
        add(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
        all
    }

    #[test]
    fn every_key_in_the_code_has_a_text_and_every_text_is_used() {
        let (texts, sources) = (Texts::new(Language::English), sources());
        let mut asked = 0;
        for opening in [".t(\"", ".with(\"", "text: \""] {
            for rest in sources.split(opening).skip(1) {
                let key = rest.split('"').next().unwrap();
                if key.contains('.') && !key.contains('{') {
                    asked += 1;
                    assert!(texts.has(key), "no text for {key}");
                }
            }
        }
        assert!(asked > 50, "{asked}");
        for key in texts.by_key.keys() {
            let group = key.split('.').next().unwrap();
            let made = sources.contains(&format!("\"{group}.{{"));
            assert!(
                made || sources.contains(&format!("\"{key}\"")),
                "{key} is never shown"
            );
        }
    }

    #[test]
    fn holes_are_filled_in_order() {
        let mut texts = Texts::new(Language::English);
        texts.by_key.insert("holes".into(), "{} of {}!".into());
        assert_eq!(texts.with("holes", &[&1, &"x"]), "1 of x!");
        assert_eq!(texts.t("missing"), "missing");
    }
}
