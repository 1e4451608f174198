//! What of an object and its request an expression reads, as far as its text tells.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, operators};

use super::scope::Variable;
use crate::object::{Keys, Reads};

/// What of the metadata and the status of `object` and `oldObject` the expression reads, and whether it reads what
/// another update of the same object would not have. What can't be told is taken for read.
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
        Expr::Ident(name) => {
            reads.object |= [Variable::Item.name(), Variable::Variables.name()].contains(&plain(name));
        }
        Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => {}
    }
}

/// A variable and the fields that follow it: `object.metadata.?labels["app"]` is `[object, metadata, labels, app]`.
fn path(expr: &IdedExpr) -> Option<Vec<&str>> {
    match &expr.expr {
        Expr::Ident(name) => {
            let name = plain(name);
            let objects = [Variable::Object.name(), Variable::OldObject.name(), Variable::Request.name()];
            objects.contains(&name).then(|| vec![name])
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

/// A name may be written with a dot before it.
fn plain(name: &str) -> &str {
    name.trim_start_matches('.')
}

/// What of a request is the same whatever is done to the object.
const OF_THE_OBJECT: [&str; 6] = ["name", "namespace", "kind", "resource", "requestKind", "requestResource"];

fn read(path: &[&str], reads: &mut Reads) {
    let [variable, fields @ ..] = path else { return };
    if *variable == Variable::Request.name() {
        reads.update |= !fields.first().is_some_and(|field| OF_THE_OBJECT.contains(field));
        return;
    }
    reads.object = true;
    reads.update |= *variable == Variable::OldObject.name();
    reads.status |= matches!(fields, [] | ["status", ..]);
    match path {
        [_] | [_, "metadata"] => reads.extend(&Reads::metadata()),
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
        let none = || Reads { object: true, ..Reads::default() };
        let label = |key: &str| Reads { labels: Keys::these([key]), ..none() };
        let whole = || Reads { object: true, status: true, ..Reads::metadata() };
        check("object.spec.containers.all(c, c.image != '')", none());
        check("object.metadata.labels.app == 'api'", label("app"));
        check("object.metadata.?labels[?'app'].orValue('') == 'api'", label("app"));
        check("oldObject.metadata.labels['app'] == 'api'", Reads { update: true, ..label("app") });
        check("has(object.metadata.labels.app)", label("app"));
        check("'app' in object.metadata.labels", Reads { labels: Keys::All, ..none() });
        check("object.metadata.labels[object.spec.key] == ''", Reads { labels: Keys::All, ..none() });
        check("object.metadata.annotations.all(k, k != '')", Reads { annotations: Keys::All, ..none() });
        check("object.metadata.name", Reads { other_metadata: true, ..none() });
        let managed = Reads { other_metadata: true, managed_fields: true, ..none() };
        check("object.metadata.managedFields.size() > 0", managed.clone());
        check("oldObject.metadata['managedFields'] == []", Reads { update: true, ..managed });
        check(
            "object.metadata == oldObject.metadata",
            Reads { object: true, update: true, ..Reads::metadata() },
        );
        check("[object].all(o, o.metadata.labels.app == '')", whole());
        check("object[request.operation] == 1", Reads { update: true, ..whole() });
        check("object == oldObject", Reads { update: true, ..whole() });
        check("object.?status.?phase.orValue('') == ''", Reads { status: true, ..none() });
        check("object['status'].phase == ''", Reads { status: true, ..none() });
        check("false", Reads::default());
        check("namespaceObject.metadata.name == 'a'", Reads::default());
        check("request.namespace == 'a' && request.kind.kind == 'Pod'", Reads::default());
        let update = Reads { update: true, ..Reads::default() };
        check("request.userInfo.username == 'a'", update.clone());
        check("[request].all(r, r.userInfo.username == 'a')", update.clone());
        check("has(request.options.dryRun)", update);
    }
}
