//! The controls, one a file.

mod allow_privilege_escalation;
mod app_armor_profile;
mod capabilities_baseline;
mod capabilities_restricted;
mod host_namespaces;
mod host_path_volumes;
mod host_ports;
mod host_probes_and_host_lifecycle;
mod privileged;
mod proc_mount;
mod proc_mount_restricted;
mod restricted_volumes;
mod run_as_non_root;
mod run_as_user;
mod se_linux_options;
mod seccomp_profile_baseline;
mod seccomp_profile_restricted;
mod sysctls;
mod windows_host_process;

use super::control::Control;

/// All, those of the level baseline first, in the order in which they are judged.
pub(super) static CONTROLS: [&Control; 19] = [
    &app_armor_profile::CONTROL,
    &capabilities_baseline::CONTROL,
    &host_namespaces::CONTROL,
    &host_path_volumes::CONTROL,
    &host_ports::CONTROL,
    &host_probes_and_host_lifecycle::CONTROL,
    &privileged::CONTROL,
    &proc_mount::CONTROL,
    &se_linux_options::CONTROL,
    &seccomp_profile_baseline::CONTROL,
    &sysctls::CONTROL,
    &windows_host_process::CONTROL,
    &allow_privilege_escalation::CONTROL,
    &capabilities_restricted::CONTROL,
    &proc_mount_restricted::CONTROL,
    &restricted_volumes::CONTROL,
    &run_as_non_root::CONTROL,
    &run_as_user::CONTROL,
    &seccomp_profile_restricted::CONTROL,
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::validate::pod_security::control::{Level, in_force};
    use crate::validate::pod_security::version::Version;

    #[test]
    fn the_documentation_lists_every_control_with_its_level_and_versions() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pod-security.md");
        let text = std::fs::read_to_string(file).unwrap();
        let listed: Vec<Vec<&str>> = text
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
            .collect();
        let listed: Vec<[&str; 3]> = listed.iter().map(|row| [row[0], row[2], row[3]]).collect();
        let rows: Vec<[String; 3]> = CONTROLS
            .iter()
            .map(|control| {
                let level = match control.level {
                    Level::Baseline => "baseline",
                    Level::Restricted => "restricted",
                };
                let versions: Vec<String> =
                    control.revisions.iter().map(|revision| format!("v1.{}", revision.since.0)).collect();
                [format!("`{}`", control.id), level.to_owned(), versions.join(", ")]
            })
            .collect();
        assert_eq!(listed, rows);
    }

    #[test]
    fn controls_stand_in_the_order_in_which_upstream_asks_them_and_override_those_that_there_are() {
        let order: Vec<_> =
            CONTROLS.iter().map(|control| (control.level != Level::Baseline, control.id)).collect();
        assert!(order.is_sorted(), "{order:?}");
        for revision in CONTROLS.iter().flat_map(|control| control.revisions) {
            for overridden in revision.overrides {
                assert!(CONTROLS.iter().any(|it| it.id == *overridden && it.level == Level::Baseline));
            }
        }
    }

    #[test]
    fn a_level_has_what_came_by_its_version_but_what_is_overridden() {
        let check = |level: Level, minor: u32, want: usize, without: &[&str]| {
            let found = in_force(&CONTROLS, level, Version(minor));
            let found: Vec<&str> = found.iter().map(|(control, _)| control.id).collect();
            assert_eq!(found.len(), want, "{level:?} {minor}: {found:?}");
            assert!(!without.iter().any(|id| found.contains(id)), "{level:?} {minor}: {found:?}");
        };
        check(Level::Baseline, 0, 11, &["hostProbesAndHostLifecycle"]);
        check(Level::Baseline, 34, 12, &[]);
        check(Level::Restricted, 0, 12, &["hostPathVolumes", "allowPrivilegeEscalation"]);
        check(Level::Restricted, 8, 13, &["hostPathVolumes"]);
        check(Level::Restricted, 19, 13, &["seccompProfile_baseline"]);
        check(Level::Restricted, 22, 13, &["capabilities_baseline"]);
        check(Level::Restricted, 23, 14, &[]);
        check(Level::Restricted, 34, 15, &["procMount_restricted"]);
        check(Level::Restricted, 35, 15, &["procMount"]);
        check(Level::Restricted, 36, 15, &["procMount"]);
    }
}
