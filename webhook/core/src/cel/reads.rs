//! Which of an object's metadata an expression reads, as far as its text tells.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, operators};

use super::scope::Variable;
use crate::object::{Keys, Reads};

/// What of the labels, the annotations and the other metadata of `object` and `oldObject` the expression reads. What
/// can't be told is taken for read.
pub(super) fn reads(expr: &IdedExpr) -> Reads {
    let mut reads = Reads::default();
    visit(expr, &mut reads);
    reads
}

fn visit(expr: &IdedExpr, reads: &mut Reads) {
    if let Some(path) = path(expr) {
        return read(&path, reads);
    }
    match &expr.expr {
        Expr::Call(call) => {
            call.target.iter().for_each(|target| visit(target, reads));
            call.args.iter().for_each(|arg| visit(arg, reads));
        }
        Expr::Select(select) => visit(&select.operand, reads),
        Expr::List(list) => list.elements.iter().for_each(|element| visit(element, reads)),
        Expr::Map(map) => {
            for entry in &map.entries {
                match &entry.expr {
                    EntryExpr::MapEntry(entry) => {
                        visit(&entry.key, reads);
                        visit(&entry.value, reads);
                    }
                    EntryExpr::StructField(field) => visit(&field.value, reads),
                }
            }
        }
        Expr::Comprehension(inner) => {
            for part in
                [&inner.iter_range, &inner.accu_init, &inner.loop_cond, &inner.loop_step, &inner.result]
            {
                visit(part, reads);
            }
        }
        Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => {}
    }
}

/// A variable and the fields that follow it: `object.metadata.?labels["app"]` is `[object, metadata, labels, app]`.
fn path(expr: &IdedExpr) -> Option<Vec<&str>> {
    match &expr.expr {
        Expr::Ident(name) => {
            let objects = [Variable::Object.name(), Variable::OldObject.name()];
            objects.contains(&name.trim_start_matches('.')).then(|| vec![name.as_str()])
        }
        Expr::Select(select) => {
            let mut path = path(&select.operand)?;
            path.push(&select.field);
            Some(path)
        }
        Expr::Call(CallExpr { func_name, target: None, args }) => {
            let selects =
                [operators::INDEX, operators::OPT_INDEX, operators::OPT_SELECT].contains(&func_name.as_str());
            let [operand, key] = args.as_slice() else { return None };
            let Expr::Literal(LiteralValue::String(key)) = &key.expr else { return None };
            let mut path = path(operand).filter(|_| selects)?;
            path.push(key.inner());
            Some(path)
        }
        _ => None,
    }
}

fn read(path: &[&str], reads: &mut Reads) {
    match path {
        [_] | [_, "metadata"] => reads.extend(&Reads::all()),
        [_, "metadata", "labels", rest @ ..] => {
            reads.extend(&Reads { labels: keys(rest), ..Reads::default() });
        }
        [_, "metadata", "annotations", rest @ ..] => {
            reads.extend(&Reads { annotations: keys(rest), ..Reads::default() });
        }
        [_, "metadata", "managedFields", ..] => {
            reads.extend(&Reads { other_metadata: true, managed_fields: true, ..Reads::default() });
        }
        [_, "metadata", ..] => reads.other_metadata = true,
        _ => {}
    }
}

fn keys(rest: &[&str]) -> Keys {
    rest.first().map_or(Keys::All, |key| Keys::these([*key]))
}

#[cfg(test)]
mod tests {
    use super::super::{Expression, Names};
    use super::*;

    #[test]
    fn what_is_read_is_seen_and_what_is_not_seen_counts_as_read() {
        let check = |source: &str, want: Reads| {
            let expression = Expression::compile_value(source, &Names::default())
                .unwrap_or_else(|e| panic!("{source}: {e}"));
            assert_eq!(expression.reads(), &want, "{source}");
        };
        let none = Reads::default;
        let label = |key: &str| Reads { labels: Keys::these([key]), ..none() };
        check("object.spec.containers.all(c, c.image != '')", none());
        check("object.metadata.labels.app == 'api'", label("app"));
        check("object.metadata.?labels[?'app'].orValue('') == 'api'", label("app"));
        check("oldObject.metadata.labels['app'] == 'api'", label("app"));
        check("has(object.metadata.labels.app)", label("app"));
        check("'app' in object.metadata.labels", Reads { labels: Keys::All, ..none() });
        check("object.metadata.labels[object.spec.key] == ''", Reads { labels: Keys::All, ..none() });
        check("object.metadata.annotations.all(k, k != '')", Reads { annotations: Keys::All, ..none() });
        check("object.metadata.name", Reads { other_metadata: true, ..none() });
        let managed = Reads { other_metadata: true, managed_fields: true, ..none() };
        check("object.metadata.managedFields.size() > 0", managed.clone());
        check("oldObject.metadata['managedFields'] == []", managed);
        check("object.metadata == oldObject.metadata", Reads::all());
        check("[object].all(o, o.metadata.labels.app == '')", Reads::all());
        check("object[request.operation] == 1", Reads::all());
    }
}
