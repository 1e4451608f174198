//! Changes to CEL expressions that mostly leave them expressions.

use super::Dice;

/// The expression with a part replaced, wrapped, doubled or taken out.
pub(crate) fn changed(source: &str, terms: &[String], dice: &mut Dice) -> String {
    let tokens = tokens(source);
    let (start, end) = part(&tokens, dice.below(tokens.len()));
    let joined = |some: &[&str]| some.concat();
    let (before, inside, after) =
        (joined(&tokens[..start]), joined(&tokens[start..end]), joined(&tokens[end..]));
    let mut term = || dice.pick(terms).cloned().unwrap_or_default();
    let (one, two) = (term(), term());
    let (other_start, other_end) = part(&tokens, dice.below(tokens.len()));
    let other = joined(&tokens[other_start..other_end]);
    let replaced = match dice.below(14) {
        0 | 1 => one,
        2 => other,
        3 => format!("!({inside})"),
        4 => format!("({inside}) && ({one})"),
        5 => format!("({inside}) || ({one})"),
        6 => format!("({one}) ? ({inside}) : ({two})"),
        7 => format!("[{inside}, {one}]"),
        8 => format!("{{'a': {inside}, 'b': {one}}}"),
        9 => format!("({inside}).exists(x, {one})"),
        10 => format!("({inside}).map(x, {one}).filter(y, {two})"),
        11 => format!("{inside}{one}"),
        12 => format!("({inside}) == ({one})"),
        _ => String::new(),
    };
    format!("{before}{replaced}{after}")
}

/// Words, numbers, texts and single signs, with the blanks between them.
fn tokens(source: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => {
                let close = rest.char_indices().skip(1).find(|(_, c)| *c == first);
                close.map_or(rest.len(), |(at, c)| at + c.len_utf8())
            }
            _ if first.is_alphanumeric() || first == '_' => {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
            }
            _ => first.len_utf8(),
        };
        let (token, others) = rest.split_at(length);
        tokens.push(token);
        rest = others;
    }
    tokens
}

/// The part that begins at a token: to its closing bracket, where it opens one.
fn part(tokens: &[&str], start: usize) -> (usize, usize) {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match *token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return (start, at + 1);
        }
    }
    (start.min(tokens.len()), tokens.len())
}
