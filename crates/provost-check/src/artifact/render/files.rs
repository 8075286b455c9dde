//! The files of a chart, in a folder or packed, and the charts inside of it.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _};
use std::path::{Component, Path};

use crate::artifact::mmap;
use crate::artifact::yaml::{self, Limits};
use crate::facts::document::Document;
use crate::facts::origin::SourceId;

/// Bytes of all files of a packed chart, unpacked: Helm's own limit (helm v3.22
/// pkg/chart/loader/archive.go, MaxDecompressedChartSize).
const LARGEST_CHART: u64 = 100 << 20;

/// Bytes of one of them: likewise (MaxDecompressedFileSize).
const LARGEST_FILE: u64 = 5 << 20;

/// Files of a chart that are looked at.
const MOST_FILES: usize = 20_000;

/// Charts inside of a chart.
const MOST_CHARTS: usize = 512;

/// Charts inside each other.
const DEEPEST: usize = 8;

/// Folders inside each other below `templates`.
const FOLDERS: usize = 16;

/// Bytes of an archive that lies in a chart.
const LARGEST_PACKED: u64 = 20 << 20;

/// Bytes of a `Chart.yaml`.
const LARGEST_METADATA: u64 = 1 << 20;

/// A chart inside of another.
#[derive(Clone, Debug)]
struct Inner {
    /// How the chart around it calls it: its name or, when it has one, its alias.
    name: String,
    /// Where it is: `charts/postgresql/`, or `charts/postgresql-1.2.tgz:` when it is packed.
    folder: String,
    /// It is there by several names.
    shared: bool,
}

/// Where a template is, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located {
    /// Its path inside the root.
    pub(super) file: String,
    /// The charts between the root and the template, by their names: `charts/a/charts/b/templates/x`
    /// is of `a` and `b`.
    pub(super) charts: Vec<String>,
    /// The folders of the root and of these.
    pub(super) folders: Vec<String>,
    /// From which of them on a folder is a chart by several names.
    pub(super) shared: usize,
}

impl Located {
    /// Whether it is a template, rather than a file that is printed as it is.
    pub(super) fn is_template(&self) -> bool {
        let folder = self.folders.last().map_or("", String::as_str);
        self.file.strip_prefix(folder).is_some_and(|inside| inside.starts_with("templates/"))
    }
}

/// The files of a chart.
pub(super) struct Chart {
    root: String,
    files: Option<HashMap<String, Vec<u8>>>,
    /// The files of the charts that lie packed in it, by path and, behind the archive's, path in that:
    /// `charts/a-1.2.tgz:templates/b.yaml`.
    packed: HashMap<String, Vec<u8>>,
    /// The charts in each chart, by the folder of that.
    inner: HashMap<String, Vec<Inner>>,
    /// An archive was read to its end, and holds nothing but files with plain names.
    whole: bool,
}

/// All that a chart holds.
pub(super) struct Listing {
    /// The paths of its files and links, in order.
    pub(super) entries: Vec<Listed>,
    /// Nothing was left out: it could all be read, and there is no more than is looked at.
    pub(super) whole: bool,
}

/// A file or a link of a chart.
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) is_link: bool,
}

impl Chart {
    pub(super) fn open(root: &str) -> Self {
        match Path::new(root).is_file() {
            true => {
                let (files, whole) = unpack(root).unwrap_or_default();
                Self { whole, ..Self::of(root, Some(files)) }
            }
            false => Self::of(root, None),
        }
    }

    /// A packed chart that lies in another, unless it holds more than `most` bytes.
    pub(super) fn packed(name: &str, bytes: &[u8], most: u64) -> std::io::Result<Self> {
        let inside = flate2::read::MultiGzDecoder::new(bytes);
        let (files, whole) = unpacked(inside, most)?;
        Ok(Self { whole, ..Self::of(name, Some(files)) })
    }

    /// A chart by its files, or by its folder.
    pub(super) fn of(root: &str, files: Option<HashMap<String, Vec<u8>>>) -> Self {
        let root = root.trim_end_matches('/').to_owned();
        let (packed, inner) = Default::default();
        let mut chart = Self { root, files, packed, inner, whole: true };
        chart.find_inner(None);
        chart
    }

    /// The same, with the charts that lie in it as archives: Helm takes those in `charts` whose names
    /// begin neither with a dot nor with `_` (helm v3.22 pkg/chart/loader/load.go).
    pub(super) fn with_packed(mut self) -> Self {
        self.inner.clear();
        self.find_inner(Some(LARGEST_CHART));
        self
    }

    /// How reports name a file of it.
    pub(super) fn shown(&self, inside: &str) -> String {
        let root = self.root.trim_start_matches("./");
        match (self.files.is_some(), root) {
            (true, root) => format!("{root}:{inside}"),
            (false, "" | ".") => inside.to_owned(),
            (false, root) => format!("{root}/{inside}"),
        }
    }

    pub(super) fn read(&self, inside: &str, limit: u64) -> Option<Vec<u8>> {
        self.try_read(inside, limit).ok()
    }

    /// The same.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] of a file that is not there, others of one that cannot be read or is
    /// larger than `limit` bytes.
    pub(super) fn try_read(&self, inside: &str, limit: u64) -> std::io::Result<Vec<u8>> {
        let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if !Path::new(inside).components().all(is_plain) {
            return Err(ErrorKind::InvalidInput.into());
        }
        let files = match &self.files {
            _ if is_in_archive(inside) => &self.packed,
            Some(files) => files,
            None => return mmap::read_text(&Path::new(&self.root).join(inside), limit, false),
        };
        match files.get(inside) {
            Some(bytes) if bytes.len() as u64 <= limit => Ok(bytes.clone()),
            Some(_) => Err(std::io::Error::other("larger than is read")),
            None if self.whole => Err(ErrorKind::NotFound.into()),
            None => Err(std::io::Error::other("the archive was not read whole")),
        }
    }

    /// Where the template is that Helm names so, without the chart's own name; `None` when the
    /// chart does not say.
    pub(super) fn locate(&self, source: &str) -> Option<Located> {
        let mut charts = Vec::new();
        let mut folders = vec![String::new()];
        let mut shared = usize::MAX;
        let mut rest = source;
        while let Some(behind) = rest.strip_prefix("charts/") {
            let (name, next) = behind.split_once('/')?;
            let around = folders.last()?;
            let mut fitting = self.inner.get(around)?.iter().filter(|inner| inner.name == name);
            // Two versions of a chart have one name.
            let (Some(inner), None) = (fitting.next(), fitting.next()) else { return None };
            charts.push(name.to_owned());
            folders.push(inner.folder.clone());
            if inner.shared {
                shared = shared.min(charts.len());
            }
            rest = next;
        }
        let file = format!("{}{rest}", folders.last()?);
        Some(Located { file, charts, folders, shared })
    }

    /// The templates of the chart and of those in it. Of two definitions with one name that of the
    /// first of them counts: Helm reads them the other way round, the deepest first (helm v3.22
    /// pkg/engine/engine.go, sortTemplates).
    pub(super) fn templates(&self) -> Vec<String> {
        let mut left = MOST_FILES;
        let mut found: Vec<String> = Vec::new();
        let inner = self.inner.values().flatten().map(|inner| inner.folder.as_str());
        let mut folders: Vec<&str> = std::iter::once("").chain(inner).collect();
        folders.sort_unstable();
        folders.dedup();
        for folder in folders {
            self.files_below(&format!("{folder}templates/"), &mut left, &mut found);
        }
        let depth = |name: &str| name.matches('/').count() + name.matches(ARCHIVE).count();
        found.sort_by_cached_key(|name| (depth(name), name.clone()));
        found
    }

    /// All files and links.
    pub(super) fn listing(&self) -> Listing {
        self.listing_of(MOST_FILES)
    }

    fn listing_of(&self, most: usize) -> Listing {
        let mut listing = Listing { entries: Vec::new(), whole: self.whole };
        if let Some(files) = &self.files {
            let listed = |name: &String| Listed { name: name.clone(), is_link: false };
            listing.entries.extend(files.keys().map(listed));
        } else {
            let root = Path::new(&self.root);
            let mut walk = ignore::WalkBuilder::new(root.join(""));
            walk.standard_filters(false).sort_by_file_name(std::ffi::OsStr::cmp);
            let mut seen = walk.build();
            for entry in seen.by_ref().take(most) {
                let kind = entry.as_ref().ok().and_then(ignore::DirEntry::file_type);
                let inside = entry.as_ref().ok().and_then(|it| it.path().strip_prefix(root).ok());
                match (kind, inside) {
                    (Some(kind), Some(_)) if kind.is_dir() => {}
                    (Some(kind), Some(inside)) if kind.is_file() || kind.is_symlink() => {
                        let name = inside.to_string_lossy().into_owned();
                        listing.entries.push(Listed { name, is_link: kind.is_symlink() });
                    }
                    // It cannot be read, or is something that no chart has.
                    _ => listing.whole = false,
                }
            }
            listing.whole &= seen.next().is_none();
        }
        listing.entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        listing
    }

    /// Bytes of the files of a packed chart.
    pub(super) fn bytes(&self) -> usize {
        self.files.iter().flat_map(HashMap::values).map(Vec::len).sum()
    }

    /// Whether a link leads to a file.
    pub(super) fn leads_to_file(&self, link: &str) -> bool {
        Path::new(&self.root).join(link).is_file()
    }

    /// The files of a folder and of those in it, in order and not more than are `left`.
    fn files_below(&self, folder: &str, left: &mut usize, found: &mut Vec<String>) {
        let files = if is_in_archive(folder) { Some(&self.packed) } else { self.files.as_ref() };
        match files {
            Some(files) => {
                let mut names: Vec<&String> =
                    files.keys().filter(|name| name.starts_with(folder)).collect();
                names.sort_unstable();
                names.truncate(*left);
                *left -= names.len();
                found.extend(names.into_iter().cloned());
            }
            None => {
                let root = Path::new(&self.root);
                let mut walk = ignore::WalkBuilder::new(root.join(folder));
                walk.standard_filters(false).max_depth(Some(FOLDERS));
                walk.sort_by_file_name(std::ffi::OsStr::cmp);
                let mut entries = walk.build().flatten();
                while *left > 0
                    && let Some(entry) = entries.next()
                {
                    *left -= 1;
                    if entry.file_type().is_some_and(|kind| kind.is_file())
                        && let Ok(inside) = entry.path().strip_prefix(root)
                    {
                        found.push(inside.to_string_lossy().into_owned());
                    }
                }
            }
        }
    }

    /// The names of the archives right below `charts` of a chart.
    fn archives(&self, around: &str) -> Vec<String> {
        let folder = format!("{around}charts/");
        let is_packed = |name: &str| {
            name.ends_with(".tgz") && !name.starts_with(['.', '_']) && !name.contains('/')
        };
        let files = if is_in_archive(around) { Some(&self.packed) } else { self.files.as_ref() };
        let mut names: Vec<String> = match files {
            Some(files) => {
                let inside = files.keys().filter_map(|name| name.strip_prefix(&folder));
                inside.filter(|name| is_packed(name)).map(str::to_owned).collect()
            }
            None => {
                let entries = std::fs::read_dir(Path::new(&self.root).join(&folder));
                let entries = entries.into_iter().flatten().flatten().take(MOST_FILES);
                let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
                names.filter(|name| is_packed(name)).collect()
            }
        };
        names.sort_unstable();
        names.truncate(MOST_CHARTS);
        names.iter().map(|name| format!("{folder}{name}")).collect()
    }

    /// Unpacks an archive that lies in the chart, within what is `left` of bytes; `None` when it cannot be
    /// read.
    fn take_in(&mut self, archive: &str, left: &mut u64) -> Option<String> {
        let bytes = self.read(archive, LARGEST_PACKED)?;
        let inside = flate2::read::MultiGzDecoder::new(&*bytes);
        let (files, _) = unpacked(inside, *left).ok()?;
        let sum: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
        *left = left.checked_sub(sum)?;
        let folder = format!("{archive}:");
        self.packed
            .extend(files.into_iter().map(|(name, bytes)| (format!("{folder}{name}"), bytes)));
        Some(folder)
    }

    /// The folders right below `charts` of a chart.
    fn folders(&self, around: &str) -> Vec<String> {
        let folder = format!("{around}charts/");
        let files = if is_in_archive(around) { Some(&self.packed) } else { self.files.as_ref() };
        let mut names: Vec<String> = match files {
            Some(files) => {
                let inside = files.keys().filter_map(|name| name.strip_prefix(&folder));
                inside.filter_map(|rest| Some(rest.split_once('/')?.0.to_owned())).collect()
            }
            None => {
                let entries = std::fs::read_dir(Path::new(&self.root).join(&folder));
                let entries = entries.into_iter().flatten().flatten().take(MOST_FILES);
                let folders = entries.filter(|entry| entry.path().is_dir());
                folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
            }
        };
        names.sort_unstable();
        names.dedup();
        names.truncate(MOST_CHARTS);
        names.iter().map(|name| format!("{folder}{name}/")).collect()
    }

    fn metadata(&self, path: &str) -> Option<Document> {
        let bytes = self.read(path, LARGEST_METADATA)?;
        let cleaned = yaml::clean(&bytes);
        let unknown = SourceId(u32::MAX);
        let parsed = yaml::parse(unknown, &cleaned.text, &cleaned.replaced, &Limits::default());
        parsed.documents.into_iter().next()
    }

    /// Finds the charts inside, by the names that the charts around them give them; packed ones as
    /// far as they have not more bytes than `unpack` says, all together.
    fn find_inner(&mut self, mut unpack: Option<u64>) {
        let mut open = vec![(String::new(), 0)];
        let mut known = 0;
        while let Some((around, depth)) = open.pop() {
            let mut inner: Vec<Inner> = Vec::new();
            let dependencies = self.dependencies(&around);
            let mut folders = self.folders(&around);
            if let Some(left) = &mut unpack {
                let room = MOST_CHARTS.saturating_sub(known);
                for archive in self.archives(&around).into_iter().take(room) {
                    folders.extend(self.take_in(&archive, left));
                }
            }
            for folder in folders {
                let metadata = self.metadata(&format!("{folder}Chart.yaml"));
                let name = metadata.as_ref().and_then(|document| document.root().get("name"));
                let Some(name) = name.and_then(|name| name.as_str()) else { continue };
                if known == MOST_CHARTS {
                    break;
                }
                known += 1;
                let of_it = dependencies.iter().filter(|(real, _)| real == name);
                let mut names: Vec<&str> = of_it.map(|(_, called)| called.as_str()).collect();
                names.sort_unstable();
                names.dedup();
                // Helm takes what lies there, whether it is asked for or not.
                if names.is_empty() {
                    names.push(name);
                }
                let shared = names.len() > 1;
                inner.extend(names.into_iter().map(|name| Inner {
                    name: name.to_owned(),
                    folder: folder.clone(),
                    shared,
                }));
                if depth < DEEPEST {
                    open.push((folder, depth + 1));
                }
            }
            self.inner.insert(around, inner);
        }
    }

    /// What a chart asks for: the name, and what it is called here.
    fn dependencies(&self, folder: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        // The second is that of charts for Helm 2.
        for file in ["Chart.yaml", "requirements.yaml"] {
            let Some(document) = self.metadata(&format!("{folder}{file}")) else { continue };
            let Some(list) = document.root().get("dependencies") else { continue };
            for item in list.items().take(MOST_CHARTS) {
                let text = |key: &str| item.get(key).and_then(|value| value.as_str());
                let Some(name) = text("name") else { continue };
                let called = text("alias").filter(|alias| !alias.is_empty()).unwrap_or(name);
                found.push((name.to_owned(), called.to_owned()));
            }
        }
        found
    }
}

/// What stands between the path of an archive and one in it.
const ARCHIVE: &str = ".tgz:";

/// Whether a path inside of a chart is one in an archive that lies there.
fn is_in_archive(inside: &str) -> bool {
    inside.contains(ARCHIVE)
}

/// Files by their path below the chart's folder, and whether these are all.
type Unpacked = (HashMap<String, Vec<u8>>, bool);

/// The files of an archive. It may be of several members, as Go reads it (compress/gzip, gunzip.go,
/// Multistream).
fn unpack(path: &str) -> std::io::Result<Unpacked> {
    let file = mmap::open_regular(Path::new(path))?;
    let inside = flate2::read::MultiGzDecoder::new(std::io::BufReader::new(file));
    unpacked(inside, LARGEST_CHART)
}

/// Regular files only: what an entry with holes claims to hold is no part of the archive, and has
/// no end. Helm takes other entries for files without content, and names of Windows apart at their
/// backslashes (helm v3.22 pkg/chart/loader/archive.go): with such the files are not all.
fn unpacked(inside: impl std::io::Read, most: u64) -> std::io::Result<Unpacked> {
    // Not a number of whole blocks, so that one that ends there is no end.
    let mut archive = tar::Archive::new(inside.take(most | 1));
    let mut files = HashMap::new();
    let mut whole = true;
    let mut left = most;
    for (number, entry) in archive.entries()?.enumerate() {
        if number == MOST_FILES {
            whole = false;
            break;
        }
        let mut entry = entry?;
        match entry.header().entry_type() {
            tar::EntryType::Regular if entry.size() <= LARGEST_FILE => {}
            // Go reads on behind the header of a folder, whatever size that says.
            tar::EntryType::Directory if entry.size() == 0 => continue,
            tar::EntryType::XGlobalHeader => continue,
            _ => {
                whole = false;
                continue;
            }
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\\');
        whole &= name.contains('/') && name.split('/').all(is_plain);
        let Some((_, name)) = name.trim_start_matches("./").split_once('/') else { continue };
        let name = name.to_owned();
        let mut bytes = Vec::new();
        (&mut entry).take(LARGEST_FILE.min(left)).read_to_end(&mut bytes)?;
        left = left.saturating_sub(bytes.len() as u64);
        whole &= bytes.len() as u64 == entry.size();
        // Of two with one name it is not told which counts.
        whole &= files.insert(name, bytes).is_none();
    }
    Ok((files, whole))
}

/// A packed chart of these files.
#[cfg(test)]
pub(super) fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("x/{path}"), *content).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

#[cfg(test)]
mod tests;
