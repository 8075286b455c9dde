//! Proofs: what `provost prove` wrote down of a process.

use crate::facts::binary::Binary;
use crate::facts::problem::{Problem, ProblemKind};
use crate::facts::proof::{Measured, Proof, VERSION};
use crate::facts::{Origin, SourceId};

/// Bytes of a proof; larger ones are not read.
pub const LARGEST: u64 = 256 << 20;

/// Reads a proof. One of another build than the executables that are judged with it says nothing of
/// them.
///
/// # Errors
/// When it is none, is of a newer form, or speaks of another program.
pub fn load(source: SourceId, bytes: &[u8], binaries: &[Binary]) -> Result<Measured, Problem> {
    let problem = |message: String, help: Option<&str>| Problem {
        kind: ProblemKind::Malformed,
        origin: Origin::whole(source),
        message,
        help: help.map(str::to_owned),
    };
    let proof: Proof = serde_json::from_slice(bytes)
        .map_err(|error| problem(format!("is no proof that provost prove wrote: {error}"), None))?;
    if proof.version > VERSION {
        let message = format!("is a proof of form {}, and {VERSION} is known here", proof.version);
        return Err(problem(message, Some("use the provost that made it, or measure again")));
    }
    let known: Vec<&Binary> = binaries.iter().filter(|binary| binary.sha256.is_some()).collect();
    let is_it = |binary: &&Binary| binary.sha256.as_deref() == Some(proof.program.sha256.as_str());
    if let Some(binary) = known.first().filter(|_| !known.iter().any(is_it)) {
        let message = format!("is a proof of another build than {}", binary.path);
        return Err(problem(message, Some("measure this one: provost prove --binary PATH")));
    }
    Ok(Measured { source, proof })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Measured, String> {
        load(SourceId(0), text.as_bytes(), &[]).map_err(|problem| problem.message)
    }

    const LEAST: &str =
        r#"{"version": 1, "program": {"path": "p", "sha256": "aa"}, "terms": {}, "phases": []}"#;

    #[test]
    fn the_least_proof_has_kubernetes_defaults() {
        let proof = read(LEAST).unwrap().proof;
        assert_eq!((proof.terms.grace_ms, proof.terms.window_ms()), (30_000, 5000));
    }

    #[test]
    fn what_is_no_proof_is_said_to_be_none() {
        assert!(read("{").unwrap_err().starts_with("is no proof"));
        let newer = LEAST.replace("\"version\": 1", "\"version\": 2");
        assert!(read(&newer).unwrap_err().contains("form 2"));
    }
}
