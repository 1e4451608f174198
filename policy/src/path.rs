//! Where a field stands in an object.

use std::borrow::Cow;
use std::fmt;

/// One step of a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// A field of an object: `.spec`.
    Field(Cow<'static, str>),
    /// A key of a map whose keys are data: `[app.kubernetes.io/name]`.
    Key(String),
    /// An element of a list by its position, from 0: `[2]`.
    Index(usize),
    /// An element of a list by its merge key: the container `[api]`.
    Named(String),
}

/// The path of a field, written as Kubernetes writes it: `spec.containers[api].securityContext`.
///
/// Elements of lists that have a merge key (containers, volumes, entries of a policy) are written with it, because
/// a name says more than a position and stays true when something is inserted before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// The path of the whole object.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// A path of fields, from a dotted list of names without data in it: `spec.template.spec`.
    #[must_use]
    pub fn of(fields: &'static str) -> Self {
        Self(fields.split('.').filter(|f| !f.is_empty()).map(|f| Segment::Field(f.into())).collect())
    }

    /// This path and then `segment`.
    #[must_use]
    pub fn then(&self, segment: Segment) -> Self {
        let mut segments = Vec::with_capacity(self.0.len() + 1);
        segments.extend_from_slice(&self.0);
        segments.push(segment);
        Self(segments)
    }

    /// This path and then a field.
    #[must_use]
    pub fn field(&self, name: impl Into<Cow<'static, str>>) -> Self {
        self.then(Segment::Field(name.into()))
    }

    /// This path and then a key of a map.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.then(Segment::Key(key.into()))
    }

    /// This path and then a position in a list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(Segment::Index(index))
    }

    /// This path and then a named element of a list.
    #[must_use]
    pub fn named(&self, name: impl Into<String>) -> Self {
        self.then(Segment::Named(name.into()))
    }

    /// This path and then all of `rest`.
    #[must_use]
    pub fn join(&self, rest: &Self) -> Self {
        Self(self.0.iter().chain(&rest.0).cloned().collect())
    }

    /// The steps, from the object's root.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Whether this is the path of the whole object.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path without its last step; the root's parent is the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0[..self.0.len().saturating_sub(1)].to_vec())
    }
}

impl FromIterator<Segment> for FieldPath {
    fn from_iter<I: IntoIterator<Item = Segment>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Field(name) if i == 0 => f.write_str(name)?,
                Segment::Field(name) => write!(f, ".{name}")?,
                Segment::Key(key) | Segment::Named(key) => write!(f, "[{key}]")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_kubernetes_writes_it() {
        let path = FieldPath::of("spec.template.spec.containers").named("api").field("ports").index(0);
        assert_eq!(path.to_string(), "spec.template.spec.containers[api].ports[0]");
        let label = FieldPath::of("metadata.labels").key("app.kubernetes.io/name");
        assert_eq!(label.to_string(), "metadata.labels[app.kubernetes.io/name]");
    }

    #[test]
    fn the_root_is_its_own_parent() {
        assert!(FieldPath::root().parent().is_root());
        assert_eq!(FieldPath::of("a.b").parent(), FieldPath::of("a"));
    }
}
