//! Templates: text with `<<words>>`, and lines of their own that begin with `#%`.
//!
//! ```text
//! #% if NAME        #% if not NAME        #% else        #% end
//! #% put NAME       (the lines of a block, as far to the right as this line)
//! ```
//!
//! The marks are comments in every language that is written, so that templates stay readable, and
//! none of them means anything to Helm, GitHub or a shell. What is put in is not looked at again.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

/// What a template can use.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    flags: BTreeSet<&'static str>,
    words: BTreeMap<&'static str, String>,
    blocks: BTreeMap<&'static str, Vec<String>>,
}

impl Words {
    /// Sets what `#% if` asks for.
    pub(super) fn flag(&mut self, name: &'static str, set: bool) {
        if set {
            self.flags.insert(name);
        } else {
            self.flags.remove(name);
        }
    }

    /// Sets what stands for `<<name>>`.
    pub(super) fn word(&mut self, name: &'static str, text: impl Into<String>) {
        self.words.insert(name, text.into());
    }

    /// Sets the lines of `#% put name`.
    pub(super) fn block(&mut self, name: &'static str, lines: Vec<String>) {
        self.blocks.insert(name, lines);
    }

    /// The text of a template. An error is one of the template's.
    pub(super) fn render(&self, template: &str) -> Result<String> {
        let mut out = String::with_capacity(template.len());
        // For each `if` that is open, whether its lines are written.
        let mut open: Vec<bool> = Vec::new();
        for line in template.lines() {
            let trimmed = line.trim_start();
            let Some(mark) = trimmed.strip_prefix("#% ") else {
                if open.iter().all(|written| *written) {
                    self.line(line, &mut out)?;
                    out.push('\n');
                }
                continue;
            };
            match mark.split_whitespace().collect::<Vec<_>>()[..] {
                ["if", name] => open.push(self.flags.contains(name)),
                ["if", "not", name] => open.push(!self.flags.contains(name)),
                ["else"] => match open.last_mut() {
                    Some(written) => *written = !*written,
                    None => bail!("`#% else` without `#% if`"),
                },
                ["end"] => {
                    if open.pop().is_none() {
                        bail!("`#% end` without `#% if`");
                    }
                }
                ["put", name] => {
                    if !open.iter().all(|written| *written) {
                        continue;
                    }
                    let Some(lines) = self.blocks.get(name) else { bail!("no block {name}") };
                    let indent = &line[..line.len() - trimmed.len()];
                    for inner in lines {
                        let indent = if inner.is_empty() { "" } else { indent };
                        out.extend([indent, inner, "\n"]);
                    }
                }
                _ => bail!("`#% {mark}` is no mark"),
            }
        }
        if !open.is_empty() {
            bail!("`#% if` without `#% end`");
        }
        Ok(out)
    }

    fn line(&self, line: &str, out: &mut String) -> Result<()> {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("<<") {
            let Some((name, after)) = after.split_once(">>") else { bail!("{line}: `<<` is open") };
            let Some(word) = self.words.get(name) else { bail!("no word {name}") };
            out.extend([before, word]);
            rest = after;
        }
        out.push_str(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_flags_and_blocks_fill_a_template() {
        let mut words = Words::default();
        words.flag("yes", true);
        words.word("name", "<<name>> #% end");
        words.block("lines", vec!["a: 1".to_owned(), String::new(), "b: <<name>>".to_owned()]);
        let template = "x: <<name>>\n#% if yes\n  #% put lines\n  #% if no\n  lost\n  #% put gone\n  #% else\n  kept\n  #% end\n#% end\n#% if not yes\nlost\n#% end\n";
        let expected = "x: <<name>> #% end\n  a: 1\n\n  b: <<name>>\n  kept\n";
        assert_eq!(words.render(template).unwrap(), expected);
    }

    #[test]
    fn a_template_that_is_wrong_is_refused() {
        for template in
            ["<<none>>", "<<open", "#% end", "#% else", "#% if a", "#% put b", "#% what"]
        {
            assert!(Words::default().render(template).is_err(), "{template}");
        }
    }
}
