//! Secrets among the words of commands: what curl, wget, chpasswd and others are given.
//!
//! A command may go on over several lines, stand in quotes (`sh -c "..."`), in JSON or in a list of
//! YAML. Where a Dockerfile cannot be read, its words can be all the same.

use std::ops::Range;

use super::given::CURL_VALUES;
use super::{is_secret_header, may_be_secret, secret_word};

/// Commands inside of quotes inside of quotes.
const DEEPEST: usize = 3;

/// The words of a command that stands in a list, each at its place in `text` with the quotes it may
/// have there, that are secret.
pub fn of_words(text: &str, words: &[Range<usize>], spans: &mut Vec<Range<usize>>) {
    Words { text, spans, all: false, list: true, depth: 0 }.words(words.iter().cloned());
}

/// The words of commands that are secret, line by line.
pub fn of_text(text: &str, spans: &mut Vec<Range<usize>>) {
    let mut at = 0;
    let mut document: Option<&str> = None;
    while at < text.len() {
        let end = logical_end(text, at);
        let line = text.get(at..end).unwrap_or_default();
        if let Some(mark) = document {
            if line.trim() == mark {
                document = None;
            } else {
                accounts(text, at..at + line.trim_end().len(), spans);
            }
        }
        let all = line.contains("chpasswd");
        if all {
            document = document.or_else(|| here_document(line));
        }
        Words { text, spans, all, list: false, depth: 0 }.command(at..end);
        at = end;
    }
}

/// The end of a line with those that continue it, whichever of both marks does it.
fn logical_end(text: &str, start: usize) -> usize {
    let mut at = start;
    for line in text.get(start..).unwrap_or_default().split_inclusive('\n') {
        at += line.len();
        let body = line.trim_end();
        // Comments and empty lines in between are none of a command.
        let between =
            at - line.len() > start && (body.is_empty() || body.trim_start().starts_with('#'));
        if !between && !body.ends_with(['\\', '`']) {
            break;
        }
    }
    at
}

/// The word behind `<<`, which ends the lines that follow.
fn here_document(line: &str) -> Option<&str> {
    let (_, behind) = line.split_once("<<")?;
    let behind = behind.trim_start_matches('-').trim_start_matches(['"', '\'']);
    let end = behind.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(behind.len());
    Some(&behind[..end]).filter(|mark| !mark.is_empty())
}

/// `user:password`
fn accounts(text: &str, word: Range<usize>, spans: &mut Vec<Range<usize>>) {
    let raw = text.get(word.clone()).unwrap_or_default();
    if let Some((name, value)) = raw.split_once(':')
        && !name.is_empty()
        && !value.starts_with('/')
    {
        hide(text, word.start + name.len() + 1..word.end, spans);
    }
}

/// Masks a value, but not its quotes; a variable's name is worth showing, and no secret.
fn hide(text: &str, range: Range<usize>, spans: &mut Vec<Range<usize>>) {
    let raw = text.get(range.clone()).unwrap_or_default();
    let bare = raw.trim_start_matches(['"', '\'']);
    let start = range.end - bare.len();
    let bare = bare.trim_end_matches(['"', '\'']);
    if !bare.is_empty() && !bare.starts_with('$') && bare != "-" {
        spans.push(start..start + bare.len());
    }
}

/// What the next word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Word,
    /// `user:password`
    Pair,
    /// A secret as a whole.
    Secret,
    /// A secret if it can be one: only the name of its flag says so.
    Likely,
    /// `Authorization: Bearer ...`
    Header,
}

/// A program whose flags are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Curl,
    Wget,
    /// `-p` is a password.
    Password,
    /// `-p` is one when the value is attached.
    Attached,
    /// `-a` is a password.
    Redis,
    /// `-P` is a password.
    Sql,
    /// `-w` is a password.
    Ldap,
}

fn program(word: &str) -> Option<Program> {
    match word.rsplit('/').next()? {
        "curl" => Some(Program::Curl),
        "wget" => Some(Program::Wget),
        "sshpass" | "login" | "mongo" | "mongosh" | "mongodump" | "mongorestore"
        | "mongoexport" | "mongoimport" => Some(Program::Password),
        "redis-cli" | "valkey-cli" | "keydb-cli" => Some(Program::Redis),
        "sqlcmd" | "bcp" => Some(Program::Sql),
        "ldapsearch" | "ldapadd" | "ldapmodify" | "ldapdelete" | "ldapwhoami" => {
            Some(Program::Ldap)
        }
        "mysql" | "mysqldump" | "mysqladmin" | "mariadb" | "mariadb-dump" | "mariadb-admin" => {
            Some(Program::Attached)
        }
        _ => None,
    }
}

/// What a long flag takes.
fn long_flag(name: &str, program: Option<Program>) -> Next {
    let client = matches!(program, Some(Program::Curl | Program::Wget));
    match name {
        "user" | "proxy-user" | "cert" if client => Next::Pair,
        _ if name.ends_with("header") => Next::Header,
        "requirepass" | "masterauth" => Next::Secret,
        "oauth2-bearer" | "pass" | "proxy-pass" | "tlspassword" | "proxy-tlspassword"
        | "cookie" | "password" | "http-password" | "http-passwd" | "ftp-password"
        | "proxy-password" | "proxy-passwd"
            if client =>
        {
            Next::Secret
        }
        _ if name.len() > 1 && !name.ends_with("stdin") && secret_word(name).is_some() => {
            Next::Likely
        }
        _ => Next::Word,
    }
}

/// The words of one line.
struct Words<'t, 's> {
    text: &'t str,
    spans: &'s mut Vec<Range<usize>>,
    /// Something in the line takes accounts with passwords from the others.
    all: bool,
    /// The words are those of a list: each is one, whatever stands in it.
    list: bool,
    depth: usize,
}

impl Words<'_, '_> {
    fn command(&mut self, range: Range<usize>) {
        let line = self.text.get(range.clone()).unwrap_or_default();
        let json = line.trim_end().ends_with(']')
            && line.split_whitespace().take(8).any(|word| word.starts_with('['));
        let words = split(self.text, range, json);
        self.words(words.into_iter());
    }

    fn words(&mut self, words: impl Iterator<Item = Range<usize>>) {
        let (mut known, mut next) = (None, Next::Word);
        for word in words {
            let raw = self.text.get(word.clone()).unwrap_or_default();
            if !self.list && raw.starts_with(['|', ';', '&', '(', ')']) {
                (known, next) = (None, Next::Word);
                continue;
            }
            let inner = word.start + raw.len() - raw.trim_start_matches(['"', '\'']).len()
                ..word.start + raw.trim_end_matches(['"', '\'']).len();
            if next == Next::Word {
                self.header(inner.clone());
            }
            // A command of its own in quotes.
            if next == Next::Word
                && self.depth < DEEPEST
                && (self.list || inner.start > word.start)
                && raw.contains([' ', '\n'])
            {
                let depth = self.depth + 1;
                Words { text: self.text, spans: self.spans, all: false, list: false, depth }
                    .command(inner.clone());
            }
            if self.all {
                accounts(self.text, inner.clone(), self.spans);
            }
            let plain = plain(raw);
            next = match next {
                Next::Word => {
                    let found = self.word(word, &plain, known);
                    if found.is_none() {
                        known = program(&plain).or(known);
                    }
                    found.unwrap_or(Next::Word)
                }
                next => {
                    self.value(next, inner);
                    Next::Word
                }
            };
        }
    }

    /// `X-Api-Key: ...` as a word, whatever flag it is given by.
    fn header(&mut self, word: Range<usize>) {
        let raw = self.text.get(word.clone()).unwrap_or_default();
        if raw.split_once(": ").is_some_and(|(name, _)| is_secret_header(name)) {
            self.value(Next::Header, word);
        } else if let Some(behind) = raw.strip_prefix("pass:") {
            // `openssl -passin pass:...`
            hide(self.text, word.end - behind.len()..word.end, self.spans);
        }
    }

    /// Looks at a word, and says what the next one is; nothing when it is no flag.
    fn word(&mut self, word: Range<usize>, plain: &str, known: Option<Program>) -> Option<Next> {
        let raw = self.text.get(word.clone()).unwrap_or_default();
        let Some(flag) = plain.strip_prefix('-').filter(|flag| !flag.is_empty()) else {
            // An address without a scheme; those with one are known by their shape.
            if matches!(known, Some(Program::Curl | Program::Wget))
                && !raw.contains("://")
                && let Some((account, _)) = raw.split_once('@')
                && let Some((user, _)) = account.split_once(':')
            {
                let end = word.start + account.len();
                hide(self.text, word.start + user.len() + 1..end, self.spans);
            }
            return None;
        };
        let long = flag.strip_prefix('-').unwrap_or(flag);
        if flag.starts_with('-') || (known.is_none() && flag.len() > 1) {
            return Some(match raw.split_once('=') {
                Some((before, _)) => {
                    let name = long.split_once('=').map_or(long, |(name, _)| name);
                    let value = word.start + before.len() + 1..word.end;
                    self.value(long_flag(name, known), value);
                    Next::Word
                }
                None => long_flag(long, known),
            });
        }
        Some(self.short(word, known?))
    }

    /// Short flags, of which several may stand together, the last with its value.
    fn short(&mut self, word: Range<usize>, known: Program) -> Next {
        let raw = self.text.get(word.clone()).unwrap_or_default();
        let Some(dash) = raw.find('-') else { return Next::Word };
        let flags = &raw[dash + 1..];
        let (at, next) = match known {
            Program::Curl => {
                let takes = |b: &u8| CURL_VALUES.contains(b);
                let Some(at) = flags.bytes().position(|b| takes(&b)) else { return Next::Word };
                let next = match flags.as_bytes()[at] {
                    b'u' | b'U' | b'E' => Next::Pair,
                    b'H' => Next::Header,
                    b'b' => Next::Secret,
                    // A value that is none of these is skipped like a word.
                    _ => Next::Word,
                };
                (at, next)
            }
            Program::Password | Program::Attached if flags.starts_with('p') => (0, Next::Secret),
            Program::Redis if flags.starts_with('a') => (0, Next::Secret),
            Program::Sql if flags.starts_with('P') => (0, Next::Secret),
            Program::Ldap if flags.starts_with('w') => (0, Next::Secret),
            _ => return Next::Word,
        };
        let value = word.start + dash + 1 + at + 1..word.end;
        let attached = self.text.get(value.clone()).unwrap_or_default();
        if attached.trim_matches(['"', '\'']).is_empty() {
            return if known == Program::Attached { Next::Word } else { next };
        }
        self.value(next, value);
        Next::Word
    }

    fn value(&mut self, what: Next, range: Range<usize>) {
        let raw = self.text.get(range.clone()).unwrap_or_default();
        let behind = |mark: char| {
            let at = raw.find(mark)?;
            let blanks = raw[at + 1..].len() - raw[at + 1..].trim_start().len();
            Some(range.start + at + 1 + blanks..range.end)
        };
        match what {
            Next::Word => {}
            Next::Pair => behind(':').into_iter().for_each(|r| hide(self.text, r, self.spans)),
            Next::Secret => hide(self.text, range, self.spans),
            Next::Likely if raw.starts_with('-') => {}
            Next::Likely if may_be_secret(raw.trim_matches(['"', '\''])) => {
                hide(self.text, range, self.spans);
            }
            Next::Likely => {}
            Next::Header => {
                let name = raw.split(':').next().unwrap_or_default();
                if is_secret_header(name.trim_start_matches(['"', '\''])) {
                    behind(':').into_iter().for_each(|r| hide(self.text, r, self.spans));
                }
            }
        }
    }
}

/// A word without its quotes and the breaks of its lines.
fn plain(raw: &str) -> String {
    raw.chars().filter(|c| !matches!(c, '"' | '\'' | '\\' | '`' | '\n' | '\r')).collect()
}

/// The words of a command, and what stands between commands. Linear: a quote without an end is
/// looked for once.
fn split(text: &str, range: Range<usize>, json: bool) -> Vec<Range<usize>> {
    let bytes = &text.as_bytes()[..range.end.min(text.len())];
    let mut words = Vec::new();
    let mut open = [true; 2];
    let (mut at, mut begins) = (range.start, false);
    let breaks = |at: usize| {
        let rest = &bytes[at + 1..];
        matches!(bytes[at], b'\\' | b'`')
            && (rest.starts_with(b"\n") || rest.starts_with(b"\r\n") || rest.is_empty())
    };
    while at < bytes.len() {
        let byte = bytes[at];
        // Between the lines of a command.
        if byte == b'#' && begins {
            at += memchr::memchr(b'\n', &bytes[at..]).unwrap_or(bytes.len() - at);
            continue;
        }
        if byte.is_ascii_whitespace()
            || b"<>".contains(&byte)
            || breaks(at)
            || json && b"[],".contains(&byte)
        {
            begins = byte == b'\n' || begins && byte != b'\\';
            at += 1;
            continue;
        }
        begins = false;
        let start = at;
        if b"|;&()".contains(&byte) {
            at += 1;
            words.push(start..at);
            continue;
        }
        while at < bytes.len() {
            let byte = bytes[at];
            match byte {
                b'"' | b'\'' => {
                    let kind = usize::from(byte == b'"');
                    let end = if open[kind] { closing(bytes, at) } else { None };
                    open[kind] &= end.is_some();
                    at = end.unwrap_or(at) + 1;
                }
                b'\\' if bytes[at + 1..].starts_with(b"\r\n") => at += 3,
                b'\\' => at += 2,
                b'`' if breaks(at) => at += 2,
                _ if byte.is_ascii_whitespace() || b"|;&()<>".contains(&byte) => break,
                _ if json && b"[],".contains(&byte) => break,
                _ => at += 1,
            }
        }
        at = at.min(bytes.len());
        words.push(start..at);
    }
    words
}

/// Where a quote ends.
fn closing(bytes: &[u8], start: usize) -> Option<usize> {
    let quote = bytes[start];
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 2,
            byte if byte == quote => return Some(at),
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(text: &str, shown: &str) {
        let mut spans = Vec::new();
        super::of_text(text, &mut spans);
        hidden(text, &spans, shown);
    }

    #[track_caller]
    fn hidden(text: &str, spans: &[std::ops::Range<usize>], shown: &str) {
        let mut bytes = text.as_bytes().to_vec();
        for span in spans {
            bytes[span.clone()].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b'*');
        }
        assert_eq!(String::from_utf8(bytes).unwrap(), shown);
    }

    /// Words of a list in YAML: each stands by itself.
    #[test]
    fn words_of_a_list() {
        for (words, shown) in [
            (&["curl", "-u", "me:abc", "x"][..], "curl -u me:*** x"),
            (&["curl", "-H", "X-Api-Key: abc"], "curl -H X-Api-Key: ***"),
            (&["/probe", "-H", "'X-Api-Key: abc'"], "/probe -H 'X-Api-Key: ***'"),
            (&["--header=Authorization: Bearer abc"], "--header=Authorization: **********"),
            (
                &["/grpc_health_probe", "-rpc-header=x-api-key: abc"],
                "/grpc_health_probe -rpc-header=x-api-key: ***",
            ),
            (&["mysqladmin", "ping", "-pabc"], "mysqladmin ping -p***"),
            (&["redis-cli", "-a", "abc", "ping"], "redis-cli -a *** ping"),
            (&["redis-server", "--requirepass", "abc"], "redis-server --requirepass ***"),
            (&["sh", "-c", "redis-cli -a abc ping"], "sh -c redis-cli -a *** ping"),
            (
                &["sh", "-c", "|\n  curl -u me:abc x\n  mysql -pabc"],
                "sh -c |\n  curl -u me:*** x\n  mysql -p***",
            ),
            (&["/app", "--password", "abc", "--verbose"], "/app --password *** --verbose"),
            (&["/app", "--token=abc"], "/app --token=***"),
            (&["openssl", "-passin", "pass:abc"], "openssl -passin pass:***"),
            (
                &["/app", "--key-file", "a", "--password-file=b"],
                "/app --key-file a --password-file=b",
            ),
            (&["/app", "-p", "abc", "-a", "abc"], "/app -p abc -a abc"),
        ] {
            let mut text = String::new();
            let mut places = Vec::new();
            for word in words {
                let start = text.len();
                text.push_str(word);
                places.push(start..text.len());
                text.push(' ');
            }
            let mut spans = Vec::new();
            super::of_words(&text, &places, &mut spans);
            hidden(text.trim_end(), &spans, shown);
        }
    }

    #[test]
    fn passwords_of_curl_are_found_in_every_form() {
        check("RUN curl -u me:abc https://host/\n", "RUN curl -u me:*** https://host/\n");
        check("RUN curl --user 'me:abc' x\n", "RUN curl --user 'me:***' x\n");
        check("RUN curl \\\n  -u me:abc \\\n  x\n", "RUN curl \\\n  -u me:*** \\\n  x\n");
        check("RUN curl `\r\n  -u `\r\n  me:abc x\n", "RUN curl `\r\n  -u `\r\n  me:*** x\n");
        check("RUN curl \\\n# no\n\n  -u me:abc x\n", "RUN curl \\\n# no\n\n  -u me:*** x\n");
        check("RUN curl --user=me:abc x\n", "RUN curl --user=me:*** x\n");
        check("RUN curl -ume:abc x\n", "RUN curl -ume:*** x\n");
        check("RUN curl -su me:abc x\n", "RUN curl -su me:*** x\n");
        check("RUN curl -fsSLume:abc x\n", "RUN curl -fsSLume:*** x\n");
        check("RUN curl -o u -U me:1234 x\n", "RUN curl -o u -U me:**** x\n");
        check("RUN curl --proxy-user me:abc x\n", "RUN curl --proxy-user me:*** x\n");
        check("RUN curl -u 'me:a b&c' x\n", "RUN curl -u 'me:*****' x\n");
        check("RUN curl -x me:abc@proxy:80 x\n", "RUN curl -x me:***@proxy:80 x\n");
        check("RUN curl --oauth2-bearer abc x\n", "RUN curl --oauth2-bearer *** x\n");
        check("RUN curl -E c.pem:abc x\n", "RUN curl -E c.pem:*** x\n");
        check(
            "RUN curl -H \"Authorization: Bearer abc\" -H 'Accept: a' x\n",
            "RUN curl -H \"Authorization: **********\" -H 'Accept: a' x\n",
        );
        check("RUN sh -c \"curl -u me:abc x\"\n", "RUN sh -c \"curl -u me:*** x\"\n");
        check(
            "CMD [\"curl\",\"-u\",\"me:abc\", \"x\"]\n",
            "CMD [\"curl\",\"-u\",\"me:***\", \"x\"]\n",
        );
    }

    #[test]
    fn passwords_of_others_are_found() {
        check("RUN wget --password=abc x\n", "RUN wget --password=*** x\n");
        check("RUN wget --user me --password abc x\n", "RUN wget --user me --password *** x\n");
        check("RUN wget --http-passwd 1234 x\n", "RUN wget --http-passwd **** x\n");
        check("RUN wget --header='X-Api-Key: abc' x\n", "RUN wget --header='X-Api-Key: ***' x\n");
        check("RUN sshpass -p abc ssh x\n", "RUN sshpass -p *** ssh x\n");
        check("RUN sshpass -pabc ssh x\n", "RUN sshpass -p*** ssh x\n");
        check("RUN docker login -u me -p abc host\n", "RUN docker login -u me -p *** host\n");
        check("RUN mysql -u root -pabc -p shop\n", "RUN mysql -u root -p*** -p shop\n");
        check("RUN /app --token \\\n abc x\n", "RUN /app --token \\\n *** x\n");
        check("CMD [\"/app\", \"--token\", \"abc\"]\n", "CMD [\"/app\", \"--token\", \"***\"]\n");
        check("RUN echo \"root:abc\" | chpasswd\n", "RUN echo \"root:***\" | chpasswd\n");
        check("RUN echo root:abc \\\n | chpasswd\n", "RUN echo root:*** \\\n | chpasswd\n");
        check(
            "RUN chpasswd <<EOF\nroot:abc\nEOF\nRUN a:b\n",
            "RUN chpasswd <<EOF\nroot:***\nEOF\nRUN a:b\n",
        );
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "RUN curl -u me:$PW https://host:8080/\nRUN apk add curl && id -u me:you\n",
            "RUN curl -o a:b -d c:d -x proxy:80 https://host:80/a\n",
            "RUN curl -fsSL https://host/a | tar -xzp -C /usr\n",
            "RUN echo $PW | docker login -u me --password-stdin host\n",
            "RUN curl -u \"$USER:$PW\" x\n",
            "RUN tool --token --verbose\nRUN mkdir -p /a && install -p a b\n",
            "RUN echo it's \"\nRUN curl x\n",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn hostile_commands_take_linear_time() {
        for text in [
            "curl -u a:b ",
            "curl \\\n",
            "chpasswd a:",
            "chpasswd <<a\n",
            "'\"",
            "\"\\\"",
            "' ",
            "\n#",
            "curl \" ",
            "\\\n ",
        ] {
            super::of_text(&text.repeat(200_000), &mut Vec::new());
        }
        // In one logical line.
        super::of_text(&format!("curl \\\n{}", " \\\n # a\n".repeat(100_000)), &mut Vec::new());
        super::of_text(&format!("curl {} #", " ".repeat(1 << 20)), &mut Vec::new());
    }
}
