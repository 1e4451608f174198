//! What of kube-controller-manager an installation leans on: garbage is collected, and roles are aggregated.

use anyhow::Result;
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::process::Process;
use sallyport_tests::programs;
use sallyport_tests::run_dir::RunDir;

/// Running controllers, ended on drop.
pub(crate) struct Controllers {
    _process: Process,
    _dir: RunDir,
}

impl Controllers {
    /// Starts them.
    pub(crate) fn start(cluster: &ControlPlane) -> Result<Self> {
        let dir = RunDir::create()?;
        let args = [
            &format!("--kubeconfig={}", cluster.kubeconfig().display()),
            "--controllers=garbage-collector-controller,clusterrole-aggregation-controller",
            "--leader-elect=false",
            // Nobody asks how they are.
            "--secure-port=0",
        ];
        let args = args.map(str::to_owned);
        let program = programs::find("kube-controller-manager")?;
        let process = Process::start("kube-controller-manager", &program, &args, dir.path())?;
        Ok(Self { _process: process, _dir: dir })
    }
}
