//! Runs a regular expression: all ways through it at once, one character after the other (Thompson's construction).

use super::InvalidRegex;
use super::parse::{Class, Node};

/// The longest program.
pub(super) const MOST_STEPS: usize = 512;

/// Steps, from the first to the one past the last, which is where an expression fits.
#[derive(Clone, Debug, Default)]
pub(super) struct Program(Vec<Step>);

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Takes a character of the class and goes on.
    Take(Class),
    /// Goes on at both.
    Fork(usize, usize),
}

impl Program {
    pub(super) fn of(node: &Node) -> Result<Self, InvalidRegex> {
        let mut program = Self::default();
        program.add(node)?;
        Ok(program)
    }

    fn push(&mut self, step: Step) -> Result<usize, InvalidRegex> {
        let at = self.0.len();
        if at == MOST_STEPS {
            return Err(InvalidRegex::TooLong);
        }
        self.0.push(step);
        Ok(at)
    }

    fn set(&mut self, at: usize, step: Step) {
        if let Some(place) = self.0.get_mut(at) {
            *place = step;
        }
    }

    fn add(&mut self, node: &Node) -> Result<(), InvalidRegex> {
        match node {
            Node::One(class) => {
                self.push(Step::Take(*class))?;
            }
            Node::All(nodes) => nodes.iter().try_for_each(|node| self.add(node))?,
            Node::Any(nodes) => {
                let mut ends = Vec::new();
                for (i, node) in nodes.iter().enumerate() {
                    if i + 1 == nodes.len() {
                        self.add(node)?;
                        break;
                    }
                    let fork = self.push(Step::Fork(0, 0))?;
                    self.add(node)?;
                    ends.push(self.push(Step::Fork(0, 0))?);
                    self.set(fork, Step::Fork(fork + 1, self.0.len()));
                }
                let end = self.0.len();
                for at in ends {
                    self.set(at, Step::Fork(end, end));
                }
            }
            Node::Repeat(node, least, most) => {
                for _ in 0..*least {
                    self.add(node)?;
                }
                match most {
                    None => {
                        let fork = self.push(Step::Fork(0, 0))?;
                        self.add(node)?;
                        self.push(Step::Fork(fork, fork))?;
                        self.set(fork, Step::Fork(fork + 1, self.0.len()));
                    }
                    Some(most) => {
                        let mut forks = Vec::new();
                        for _ in *least..*most {
                            forks.push(self.push(Step::Fork(0, 0))?);
                            self.add(node)?;
                        }
                        let end = self.0.len();
                        for fork in forks {
                            self.set(fork, Step::Fork(fork + 1, end));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the whole text fits.
    pub(super) fn matches(&self, text: &[u8], any_case: bool) -> bool {
        let mut now = Places::new(self.0.len());
        let mut next = Places::new(self.0.len());
        self.enter(0, &mut now);
        for byte in text {
            for at in &now.takes {
                let Some(Step::Take(class)) = self.0.get(*at) else { continue };
                let taken = if any_case {
                    has(*class, byte.to_ascii_lowercase()) || has(*class, byte.to_ascii_uppercase())
                } else {
                    has(*class, *byte)
                };
                if taken {
                    self.enter(at + 1, &mut next);
                }
            }
            std::mem::swap(&mut now, &mut next);
            next.clear();
            if now.takes.is_empty() && !now.end {
                return false;
            }
        }
        now.end
    }

    /// Goes to a step, and from forks on to what is behind them.
    fn enter(&self, at: usize, places: &mut Places) {
        places.open.push(at);
        while let Some(at) = places.open.pop() {
            let Some(seen) = places.seen.get_mut(at) else {
                places.end = true;
                continue;
            };
            if std::mem::replace(seen, true) {
                continue;
            }
            match self.0.get(at) {
                Some(Step::Fork(one, other)) => places.open.extend([*one, *other]),
                Some(Step::Take(_)) => places.takes.push(at),
                None => {}
            }
        }
    }
}

/// Where the ways through a program stand.
struct Places {
    /// Steps that take a character.
    takes: Vec<usize>,
    seen: Vec<bool>,
    open: Vec<usize>,
    /// Whether one is at the end.
    end: bool,
}

impl Places {
    fn new(steps: usize) -> Self {
        Self { takes: Vec::new(), seen: vec![false; steps], open: Vec::new(), end: false }
    }

    fn clear(&mut self) {
        self.takes.clear();
        self.seen.fill(false);
        self.end = false;
    }
}

fn has(class: Class, byte: u8) -> bool {
    byte < 128 && class >> byte & 1 == 1
}
