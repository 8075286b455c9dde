//! A sound archive of an image around hostile entries.

use std::iter::repeat_n;

/// An image of a docker-archive whose layers have the entries that `data` notes: one byte for what
/// it is, one for the length of its path, the path, and for links the same of the target. 0xFF
/// begins another layer.
pub(crate) fn image(data: &[u8]) -> Vec<u8> {
    let mut layers = vec![Vec::new()];
    let mut rest = data;
    while let Some((&kind, after)) = rest.split_first() {
        rest = after;
        if kind == 0xff {
            if layers.len() < 60 {
                layers.push(Vec::new());
            }
            continue;
        }
        let path = text(&mut rest);
        // 0 is a file, 1 a hard link, 2 a symbolic link, 5 a directory (POSIX ustar).
        let kind = [b'0', b'1', b'2', b'5', b'3'][usize::from(kind % 5)];
        let link = if matches!(kind, b'1' | b'2') { text(&mut rest) } else { Vec::new() };
        let body: &[u8] = if kind == b'0' { b"app:x:1000:1000::/:/bin/sh\n" } else { b"" };
        if let Some(layer) = layers.last_mut() {
            entry(layer, kind, &path, &link, body);
        }
    }
    let names: Vec<String> = (0..layers.len()).map(|i| format!("\"{i}\"")).collect();
    let manifest = format!("[{{\"Config\":\"c\",\"Layers\":[{}]}}]", names.join(","));
    let config = br#"{"os":"linux","architecture":"amd64","config":{"Entrypoint":["/a"]}}"#;
    let mut all = Vec::new();
    entry(&mut all, b'0', b"manifest.json", b"", manifest.as_bytes());
    entry(&mut all, b'0', b"c", b"", config);
    for (i, layer) in layers.iter().enumerate() {
        entry(&mut all, b'0', i.to_string().as_bytes(), b"", layer);
    }
    all
}

/// A length and as many bytes, as far as there are any; at most what a header has room for.
fn text(rest: &mut &[u8]) -> Vec<u8> {
    let Some((&length, after)) = rest.split_first() else { return Vec::new() };
    let (text, after) = after.split_at(usize::from(length).min(100).min(after.len()));
    *rest = after;
    text.to_vec()
}

/// Header and body of one entry.
fn entry(archive: &mut Vec<u8>, kind: u8, path: &[u8], link: &[u8], body: &[u8]) {
    let mut header = [0; 512];
    header[..path.len()].copy_from_slice(path);
    header[100..107].copy_from_slice(b"0000755");
    header[124..135].copy_from_slice(format!("{:011o}", body.len()).as_bytes());
    header[156] = kind;
    header[157..157 + link.len()].copy_from_slice(link);
    header[257..263].copy_from_slice(b"ustar\0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    archive.extend_from_slice(&header);
    archive.extend_from_slice(body);
    archive.extend(repeat_n(0, body.len().next_multiple_of(512) - body.len()));
}
