//! Sample payloads, with exact bytes, below `shared/testkit/samples`.

use serde::Deserialize;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")
}

fn read(path: impl AsRef<Path>) -> Vec<u8> {
    let path = folder().join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("no sample {}: {error}", path.display()))
}

/// A webhook body, such as `msg_text.json`.
pub fn webhook(file: &str) -> Vec<u8> {
    read(Path::new("webhooks").join(file))
}

/// An answer of the Graph API, such as `graph_send_ok.json`.
pub fn graph(file: &str) -> Vec<u8> {
    read(Path::new("graph").join(file))
}

/// One webhook sample and what it holds.
#[derive(Debug)]
pub struct Sample {
    /// Its file name, for [`webhook`].
    pub file: String,
    /// How many messages it holds.
    pub messages: usize,
    /// How many statuses it holds.
    pub statuses: usize,
    /// Whether those stand in the `messages` field, as opposed to echoes, history and calls.
    pub is_messages_field: bool,
}

/// Every webhook sample.
pub fn manifest() -> Vec<Sample> {
    #[derive(Deserialize)]
    struct Manifest {
        files: Vec<File>,
    }
    #[derive(Deserialize)]
    struct File {
        file: String,
        kind: String,
        counts: Option<Counts>,
    }
    #[derive(Deserialize)]
    struct Counts {
        messages: usize,
        statuses: usize,
    }
    let manifest: Manifest = serde_json::from_slice(&read("MANIFEST.json")).unwrap();
    let samples: Vec<_> = manifest
        .files
        .into_iter()
        .filter(|file| file.kind == "webhook")
        .map(|file| {
            let name = file.file.trim_start_matches("webhooks/").to_owned();
            let counts = file.counts.unwrap_or_else(|| panic!("{name} has no counts in the manifest"));
            let body: serde_json::Value = serde_json::from_slice(&webhook(&name)).unwrap();
            let is_messages_field =
                body.pointer("/entry/0/changes/0/field").and_then(|field| field.as_str()) == Some("messages");
            Sample { file: name, messages: counts.messages, statuses: counts.statuses, is_messages_field }
        })
        .collect();
    assert!(samples.len() > 80, "the manifest lists only {} webhook samples", samples.len());
    samples
}

/// A body, a signature header, and whether the one belongs to the other.
#[derive(Debug)]
pub struct SignatureVector {
    /// What the vector is about.
    pub name: String,
    /// The app secret.
    pub secret: String,
    /// The header, if there is one.
    pub header: Option<String>,
    /// The exact bytes.
    pub body: Vec<u8>,
    /// The verdict.
    pub valid: bool,
}

/// Every signature vector.
pub fn signature_vectors() -> Vec<SignatureVector> {
    #[derive(Deserialize)]
    struct Raw {
        name: String,
        body_file: String,
        secret: String,
        x_hub_signature_256: Option<String>,
        valid: bool,
    }
    let raw: Vec<Raw> = serde_json::from_slice(&read("signatures/vectors.json")).unwrap();
    raw.into_iter()
        .map(|vector| SignatureVector {
            name: vector.name,
            secret: vector.secret,
            header: vector.x_hub_signature_256,
            body: read(Path::new("signatures").join(vector.body_file)),
            valid: vector.valid,
        })
        .collect()
}
