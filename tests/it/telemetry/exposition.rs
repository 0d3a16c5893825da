//! Prometheus' text format, read strictly.

use std::collections::{BTreeMap, BTreeSet};

/// A metric as it is told.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) kind: String,
    pub(super) help: String,
    pub(super) samples: Vec<Sample>,
}

#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// With `_bucket`, `_sum` or `_count`, if it is of a histogram.
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// All of them by name. Fails on anything that is not of the format.
pub(super) fn read(text: &str) -> BTreeMap<String, Family> {
    assert!(text.ends_with('\n'));
    let mut families = BTreeMap::<String, Family>::new();
    let mut current = String::new();
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            check_name(name);
            let old = families.entry(name.to_owned()).or_default();
            assert!(old.help.is_empty() && old.kind.is_empty(), "twice: {line}");
            old.help = help.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            let family = families.entry(name.to_owned()).or_default();
            assert!(family.kind.is_empty(), "twice: {line}");
            family.kind = kind.to_owned();
            current = name.to_owned();
        } else {
            let sample = sample(line);
            let family = families.get_mut(&current).unwrap_or_else(|| panic!("{line}"));
            let suffix = sample.name.strip_prefix(&current);
            let allowed: &[&str] = match family.kind.as_str() {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(suffix.is_some_and(|suffix| allowed.contains(&suffix)), "{current}: {line}");
            assert_eq!(suffix == Some("_bucket"), sample.labels.contains_key("le"), "{line}");
            assert!(seen.insert((sample.name.clone(), sample.labels.clone())), "twice: {line}");
            family.samples.push(sample);
        }
    }
    families
}

fn check_name(name: &str) {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    assert!(!name.is_empty() && name.chars().all(fits), "{name}");
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
    let value = value.parse().unwrap_or_else(|e| panic!("{line}: {e}"));
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    check_name(name);
    let mut rest = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
    let mut labels = BTreeMap::new();
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        check_name(label);
        let (value, after) = after.split_once('"').unwrap_or_else(|| panic!("{line}"));
        // None of ours has a sign that would be escaped.
        assert!(!value.contains('\\'), "{line}");
        assert!(labels.insert(label.to_owned(), value.to_owned()).is_none(), "twice: {line}");
        rest = after.strip_prefix(',').unwrap_or(after);
        assert!(rest.is_empty() || after.starts_with(','), "{line}");
    }
    Sample { name: name.to_owned(), labels, value }
}
