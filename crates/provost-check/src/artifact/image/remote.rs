//! An image that is fetched part by part while it is read.
//!
//! Who opens connections lies outside of this crate; here is what is asked. Everything that comes is
//! held against digests and limits like the parts of a directory.

use std::fmt::Debug;
use std::io::{Read, Result};

/// A registry's image. Each error is a sentence about whom was asked; its kind tells what it means:
/// `InvalidData` that what was sent is not what was announced, all others that it could not be had.
pub trait Remote: Debug + Send + Sync {
    /// The reference as it was typed, by which manifests may name the image.
    fn name(&self) -> &str;

    /// Parts of the login that was used and tokens that it was good for: whoever got them may
    /// repeat them, and no report shows them.
    fn secrets(&self) -> Vec<String>;

    /// What the reference names. The same bytes each time, also where a tag moves meanwhile.
    ///
    /// # Errors
    /// It cannot be had, or is nothing that names an image.
    fn root(&self) -> Result<Root>;

    /// A manifest or index by its digest.
    ///
    /// # Errors
    /// It cannot be had.
    fn manifest(&self, digest: &str) -> Result<Box<dyn Read + Send>>;

    /// A configuration or layer by its digest; `size` as its manifest says, in bytes. The reader
    /// gives that many bytes or fails.
    ///
    /// # Errors
    /// It cannot be had, or has another size.
    fn blob(&self, digest: &str, size: u64) -> Result<Box<dyn Read + Send>>;
}

/// An index or a manifest.
#[derive(Clone, Debug)]
pub struct Root {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its media type.
    pub media_type: String,
    /// The digest that was asked for or that the registry states.
    pub digest: Option<String>,
}
