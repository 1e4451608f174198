//! Parser events composed into values that know where they stand.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};
use serde_saphyr::granit_parser::{
    ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Span as ParserSpan, StructureStyle, Tag,
};

use super::error::{ReadError, Unreadable, is_about_tabs};
use super::scalar::{self, NotFinite};
use super::spans::{Inside, Member, Span, Spans};
use super::text::SourceText;

/// The deepest nesting that is read, aliases unfolded: what `serde_json` reads too.
const DEPTH_LIMIT: usize = 128;
/// The most that the aliases of one file may copy, in bytes.
const ALIAS_LIMIT: usize = 32 * 1024 * 1024;
/// What a value weighs beside its text, in bytes: roughly what it takes in memory.
const WEIGHT: usize = 64;
/// The most that is reported of one file.
const ERROR_LIMIT: usize = 32;

/// A value and where it stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) spans: Spans,
    /// The levels below.
    height: usize,
    /// Bytes in memory, roughly.
    weight: usize,
}

/// A document of a file.
pub(super) struct Composed {
    /// Its position in the file, from 0.
    pub(super) index: usize,
    pub(super) node: Node,
}

/// Reads all documents of a text. A document with errors is left out; those after it are read.
pub(super) fn compose(origin: &Arc<SourceText>) -> (Vec<Composed>, Vec<ReadError>) {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.emit_unresolved_aliases = true;
    options.simple_key_max_lookahead = 64 * 1024;
    let mut parser = Parser::new_from_str_with_options(origin.text(), options);
    let mut composer = Composer::new(origin);
    loop {
        match parser.next_event() {
            None => break,
            Some(Ok((Event::StreamEnd, _))) => break,
            Some(Ok((event, span))) => composer.event(event, &span),
            Some(Err(error)) => {
                composer.syntax(&error);
                match parser.proceed_next_document() {
                    Ok(true) => {}
                    Ok(false) | Err(_) => break,
                }
            }
        }
        if composer.errors.len() >= ERROR_LIMIT {
            break;
        }
    }
    (composer.done, composer.errors)
}

struct Composer<'a> {
    origin: &'a Arc<SourceText>,
    done: Vec<Composed>,
    errors: Vec<ReadError>,
    /// Documents begun.
    begun: usize,
    /// How many errors there were when this document began.
    errors_before: usize,
    stack: Vec<Frame>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    copied: usize,
}

/// A collection that is not complete.
struct Frame {
    start: usize,
    end: usize,
    anchor: usize,
    style: StructureStyle,
    height: usize,
    weight: usize,
    content: Content,
}

enum Content {
    List { values: Vec<Value>, spans: Vec<Spans> },
    Map { values: Map<String, Value>, spans: BTreeMap<String, Member>, merged: Vec<Node>, key: Key },
}

/// What stands where the next value of an object belongs.
enum Key {
    /// Nothing: a key comes next.
    Awaited,
    /// A key.
    Read(String, Span),
    /// `<<`.
    Merge,
    /// Something that was reported.
    Bad,
}

impl<'a> Composer<'a> {
    fn new(origin: &'a Arc<SourceText>) -> Self {
        Self {
            origin,
            done: Vec::new(),
            errors: Vec::new(),
            begun: 0,
            errors_before: 0,
            stack: Vec::new(),
            root: None,
            anchors: HashMap::new(),
            copied: 0,
        }
    }

    fn event(&mut self, event: Event<'_>, span: &ParserSpan) {
        let range = span.byte_range().unwrap_or_default();
        match event {
            Event::DocumentStart(..) => {
                self.begun += 1;
                self.errors_before = self.errors.len();
                self.abandon();
            }
            Event::DocumentEnd => self.end_document(),
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, tag.as_deref(), anchor, range);
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", "a list", &range);
                let content = Content::List { values: Vec::new(), spans: Vec::new() };
                self.begin(content, style, anchor, range);
            }
            Event::MappingStart(style, anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", "an object", &range);
                let content = Content::Map {
                    values: Map::new(),
                    spans: BTreeMap::new(),
                    merged: Vec::new(),
                    key: Key::Awaited,
                };
                self.begin(content, style, anchor, range);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(&range),
            Event::Alias(id) => self.alias(id, range),
            Event::UnresolvedAlias(name) => {
                self.error(range.clone(), Unreadable::UnknownAnchor { name: name.into_owned() });
                self.add(Node::scalar(Value::Null, range), 0);
            }
            _ => {}
        }
    }

    fn error(&mut self, at: Range<usize>, reason: Unreadable) {
        self.errors.push(ReadError::at(self.origin, self.origin.location(at), reason));
    }

    fn syntax(&mut self, error: &ScanError) {
        let (kind, at) = self.blame(error);
        self.error(at, Unreadable::Syntax(kind));
        self.abandon();
    }

    /// What to show for a syntax error: the parser names the place where it could not go on, which is often behind
    /// what is wrong.
    fn blame(&self, error: &ScanError) -> (ErrorKind, Range<usize>) {
        let text = self.origin.text();
        let at = error.marker().byte_offset().unwrap_or_default().min(text.len());
        let line = self.origin.line(self.origin.location(at..at).line);
        let written = text.get(line.clone()).unwrap_or_default();
        let content = written.trim_start();
        let indented = line.end - content.len();
        match error.kind() {
            kind if is_about_tabs(kind) => {
                if let Some(tab) = written.find('\t') {
                    let tab = line.start + tab;
                    return (kind.clone(), tab..tab + 1);
                }
            }
            // Without another colon before it, the line is not too long but in the wrong place.
            ErrorKind::MappingValueNotAllowed
                if text.get(indented..at).is_some_and(|before| !before.contains(": ")) =>
            {
                return (ErrorKind::InvalidIndentation, indented..at);
            }
            _ => {}
        }
        let next = text.get(at..).and_then(|rest| rest.chars().next());
        let width = next.filter(|c| !matches!(c, '\n' | '\r')).map_or(0, char::len_utf8);
        (error.kind().clone(), at..at + width)
    }

    /// Forgets the document that is being composed.
    fn abandon(&mut self) {
        self.stack.clear();
        self.anchors.clear();
        self.root = None;
    }

    fn end_document(&mut self) {
        let whole = self.errors.len() == self.errors_before;
        if let Some(node) = self.root.take().filter(|node| whole && !node.value.is_null()) {
            self.done.push(Composed { index: self.begun.saturating_sub(1), node });
        }
        self.abandon();
    }

    fn begin(&mut self, content: Content, style: StructureStyle, anchor: usize, range: Range<usize>) {
        if self.stack.len() == DEPTH_LIMIT {
            self.error(range.clone(), Unreadable::TooDeep { limit: DEPTH_LIMIT });
        }
        let Range { start, end } = range;
        self.stack.push(Frame { start, end, anchor, style, height: 0, weight: WEIGHT, content });
    }

    fn end(&mut self, range: &Range<usize>) {
        let Some(frame) = self.stack.pop() else { return };
        // The end of a block stands after the white space that follows it; its last part says better where it ends.
        let closed = frame.style == StructureStyle::Flow
            && self.origin.text().get(range.clone()).is_some_and(|end| matches!(end, "]" | "}"));
        let end = if closed { range.end.max(frame.end) } else { frame.end };
        let (value, inside) = match frame.content {
            Content::List { values, spans } => (Value::Array(values), Inside::List(spans)),
            Content::Map { mut values, mut spans, merged, .. } => {
                for node in merged {
                    merge(&mut values, &mut spans, node);
                }
                (Value::Object(values), Inside::Map(spans))
            }
        };
        let spans = Spans { value: (frame.start..end).into(), inside };
        self.add(Node { value, spans, height: frame.height + 1, weight: frame.weight }, frame.anchor);
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        anchor: usize,
        range: Range<usize>,
    ) {
        let plain = style == ScalarStyle::Plain;
        if let Some(Frame { content: Content::Map { key: key @ Key::Awaited, .. }, .. }) =
            self.stack.last_mut()
            && plain
            && tag.is_none()
            && text == "<<"
        {
            *key = Key::Merge;
            return;
        }
        let value = match tag {
            None if plain => scalar::plain(text),
            None => Ok(Value::String(text.to_owned())),
            Some(tag) => self.tagged(text, tag, &range),
        };
        let value = value.unwrap_or_else(|NotFinite| {
            self.error(range.clone(), Unreadable::NotFinite { text: text.to_owned() });
            Value::Null
        });
        self.add(Node::scalar(value, range), anchor);
    }

    /// The meaning of a scalar with a tag.
    fn tagged(&mut self, text: &str, tag: &Tag, range: &Range<usize>) -> Result<Value, NotFinite> {
        let string = || Value::String(text.to_owned());
        let written = tag.original();
        let Some(kind) = tag.core_suffix() else {
            if written != "!" {
                self.error(range.clone(), Unreadable::UnknownTag { tag: written });
            }
            return Ok(string());
        };
        if kind == "str" {
            return Ok(string());
        }
        let value = scalar::plain(text)?;
        let fits = match kind {
            "bool" => value.is_boolean(),
            "int" => value.is_i64() || value.is_u64(),
            "float" => value.is_number(),
            "null" => value.is_null(),
            _ => false,
        };
        if !fits {
            self.error(range.clone(), Unreadable::TagMismatch { tag: written, text: text.to_owned() });
        }
        Ok(value)
    }

    fn check_tag(&mut self, tag: Option<&Tag>, want: &str, what: &str, range: &Range<usize>) {
        let Some(tag) = tag else { return };
        let written = tag.original();
        match tag.core_suffix() {
            Some(kind) if kind == want => {}
            None if written == "!" => {}
            Some(_) => {
                self.error(range.clone(), Unreadable::TagMismatch { tag: written, text: what.to_owned() });
            }
            None => self.error(range.clone(), Unreadable::UnknownTag { tag: written }),
        }
    }

    fn alias(&mut self, id: usize, range: Range<usize>) {
        let copy = match self.anchors.get(&id) {
            None => Err(Unreadable::RecursiveAlias),
            Some(node) if self.stack.len() + node.height > DEPTH_LIMIT => {
                Err(Unreadable::TooDeep { limit: DEPTH_LIMIT })
            }
            Some(node) if self.copied + node.weight > ALIAS_LIMIT => {
                Err(Unreadable::AliasesTooLarge { limit: ALIAS_LIMIT })
            }
            Some(node) => Ok(node.clone()),
        };
        match copy {
            Ok(mut node) => {
                self.copied += node.weight;
                node.spans.value = range.into();
                self.add(node, 0);
            }
            Err(reason) => {
                self.error(range.clone(), reason);
                self.add(Node::scalar(Value::Null, range), 0);
            }
        }
    }

    /// Puts a complete value where it belongs.
    fn add(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            // A copy is made for the anchor itself, so it counts as the alias's copies do.
            self.copied += node.weight;
            if self.copied > ALIAS_LIMIT {
                self.error(node.spans.value.range(), Unreadable::AliasesTooLarge { limit: ALIAS_LIMIT });
            } else {
                self.anchors.insert(anchor, node.clone());
            }
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return;
        };
        frame.end = frame.end.max(node.spans.value.range().end);
        frame.weight += node.weight;
        frame.height = frame.height.max(node.height);
        let mut problem = None;
        match &mut frame.content {
            Content::List { values, spans } => {
                values.push(node.value);
                spans.push(node.spans);
            }
            Content::Map { values, spans, merged, key } => match std::mem::replace(key, Key::Awaited) {
                Key::Awaited => {
                    let at = node.spans.value;
                    *key = match key_of(node.value) {
                        Ok(name) => {
                            if let Some(first) = spans.get(&name) {
                                let first_line = self.origin.location(first.key.range()).line;
                                let reason = Unreadable::DuplicateKey { key: name, first_line };
                                problem = Some((at.range(), reason));
                                Key::Bad
                            } else {
                                Key::Read(name, at)
                            }
                        }
                        Err(found) => {
                            problem = Some((at.range(), Unreadable::KeyNotString { found }));
                            Key::Bad
                        }
                    };
                }
                Key::Read(name, at) => {
                    spans.insert(name.clone(), Member { key: at, spans: node.spans });
                    values.insert(name, node.value);
                }
                Key::Merge => match sources(node) {
                    Ok(nodes) => merged.extend(nodes),
                    Err((at, found)) => problem = Some((at.range(), Unreadable::MergeOfNoObject { found })),
                },
                Key::Bad => {}
            },
        }
        if let Some((at, reason)) = problem {
            self.error(at, reason);
        }
    }
}

impl Node {
    fn scalar(value: Value, range: Range<usize>) -> Self {
        let weight = WEIGHT + value.as_str().map_or(0, str::len);
        Self { value, spans: Spans { value: range.into(), inside: Inside::Scalar }, height: 0, weight }
    }
}

/// The member name that a value makes: JSON's keys are strings.
fn key_of(value: Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        other => Err(kind_of(&other)),
    }
}

/// What a value is, in words.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The objects that `<<` merges: one, or a list of them.
fn sources(node: Node) -> Result<Vec<Node>, (Span, &'static str)> {
    let at = node.spans.value;
    match (node.value, node.spans.inside) {
        (Value::Array(values), Inside::List(spans)) => values
            .into_iter()
            .zip(spans)
            .map(|(value, spans)| {
                if value.is_object() {
                    Ok(Node { value, spans, height: 0, weight: 0 })
                } else {
                    Err((spans.value, kind_of(&value)))
                }
            })
            .collect(),
        (value @ Value::Object(_), inside) => {
            Ok(vec![Node { value, spans: Spans { value: at, inside }, height: 0, weight: 0 }])
        }
        (other, _) => Err((at, kind_of(&other))),
    }
}

/// Adds the members of `node` that the object does not have.
fn merge(values: &mut Map<String, Value>, spans: &mut BTreeMap<String, Member>, node: Node) {
    let (Value::Object(from), Inside::Map(mut places)) = (node.value, node.spans.inside) else { return };
    for (name, value) in from {
        if let Some(place) = places.remove(&name)
            && !values.contains_key(&name)
        {
            spans.insert(name.clone(), place);
            values.insert(name, value);
        }
    }
}
