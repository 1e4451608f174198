//! The words of a form. The files are libFuzzer's dictionaries, so that both make their inputs of the same words.

use std::sync::LazyLock;

use super::Form;

/// Words that mean something to a target.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    pub(crate) words: Vec<String>,
    /// Parts of CEL expressions.
    pub(crate) terms: Vec<String>,
}

static KUBERNETES: &str = include_str!("../../../dictionaries/kubernetes.dict");
static TERMS: &str = include_str!("../../../dictionaries/cel.dict");
static YAML: &str = include_str!("../../../dictionaries/yaml.dict");
static BINARY: &str = include_str!("../../../dictionaries/binary.dict");
static IMAGE: &str = include_str!("../../../dictionaries/image.dict");
static JOSE: &str = include_str!("../../../dictionaries/jose.dict");
static HTTP: &str = include_str!("../../../dictionaries/http.dict");

static OBJECTS: LazyLock<Dictionary> =
    LazyLock::new(|| Dictionary { words: words(KUBERNETES), terms: words(TERMS) });
static FILES: LazyLock<Dictionary> =
    LazyLock::new(|| Dictionary { words: [words(YAML), words(KUBERNETES)].concat(), terms: Vec::new() });
static REQUESTS: LazyLock<Dictionary> =
    LazyLock::new(|| Dictionary { words: words(HTTP), terms: Vec::new() });
static IMAGES: LazyLock<Dictionary> = LazyLock::new(|| Dictionary { words: words(IMAGE), terms: Vec::new() });
static MESSAGES: LazyLock<Dictionary> =
    LazyLock::new(|| Dictionary { words: words(BINARY), terms: Vec::new() });
static TOKENS: LazyLock<Dictionary> = LazyLock::new(|| Dictionary { words: words(JOSE), terms: Vec::new() });

impl Dictionary {
    pub(crate) fn of(form: Form) -> &'static Self {
        match form {
            Form::Json | Form::Review => &OBJECTS,
            Form::Yaml => &FILES,
            Form::Image => &IMAGES,
            Form::Http => &REQUESTS,
            Form::Jose => &TOKENS,
            Form::Binary => &MESSAGES,
        }
    }
}

/// The entries of a dictionary: `"word"` or `name="word"` on a line of its own, with the escapes `\\`, `\"` and `\xAB`.
fn words(file: &str) -> Vec<String> {
    let quoted = |line: &str| -> Option<String> {
        let line = line.trim();
        if line.starts_with('#') {
            return None;
        }
        let (_, rest) = line.split_once('"')?;
        Some(unescaped(rest.strip_suffix('"')?))
    };
    file.lines().filter_map(quoted).collect()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match (byte, (byte == b'\\').then(|| rest.next()).flatten()) {
            (_, Some(b'x')) => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.extend(u8::from_str_radix(&digits, 16));
            }
            (_, Some(escaped)) => bytes.push(escaped),
            (plain, None) => bytes.push(plain),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_dictionary_is_read_as_libfuzzer_reads_it() {
    let read = words("# no word\n\"a\\\"b\\\\\\x0a\"\nname=\"c\"\n\n");
    assert_eq!(read, ["a\"b\\\n", "c"]);
    for form in [Form::Json, Form::Yaml, Form::Image, Form::Http, Form::Binary, Form::Jose] {
        assert!(Dictionary::of(form).words.len() > 10, "{form:?}");
    }
}
