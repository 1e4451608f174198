//! The command lines of the servers, which run in the folder that holds their files.

use std::path::Path;

use crate::audit;
use crate::pki::file::{CA, SERVER, SERVER_KEY, SERVICE_ACCOUNT_KEY, SERVICE_ACCOUNT_PUBLIC_KEY};

/// Where etcd listens: a socket in its working directory, named as the URL's host and port. No port is taken.
const ETCD: &str = "unix://etcd:0";

/// etcd's command line.
pub(crate) fn etcd() -> Vec<String> {
    let peer = "unix://etcd-peer:0";
    [
        "--name=etcd",
        "--data-dir=etcd-data",
        "--unsafe-no-fsync",
        "--log-level=warn",
        &format!("--listen-client-urls={ETCD}"),
        &format!("--advertise-client-urls={ETCD}"),
        &format!("--listen-peer-urls={peer}"),
        &format!("--initial-advertise-peer-urls={peer}"),
        &format!("--initial-cluster=etcd={peer}"),
    ]
    .map(str::to_owned)
    .to_vec()
}

/// kube-apiserver's command line, for this port.
pub(crate) fn apiserver(port: u16) -> Vec<String> {
    [
        &format!("--etcd-servers={ETCD}"),
        "--bind-address=127.0.0.1",
        // Both would be looked up, which fails on a machine without a network.
        "--advertise-address=127.0.0.1",
        "--external-hostname=localhost",
        &format!("--secure-port={port}"),
        "--permit-port-sharing",
        &format!("--tls-cert-file={SERVER}"),
        &format!("--tls-private-key-file={SERVER_KEY}"),
        &format!("--client-ca-file={CA}"),
        "--anonymous-auth=false",
        "--authorization-mode=RBAC",
        // As every cluster has it: what privileged pods may do is for admission to say.
        "--allow-privileged=true",
        "--service-account-issuer=https://kubernetes.default.svc",
        &format!("--service-account-key-file={SERVICE_ACCOUNT_PUBLIC_KEY}"),
        &format!("--service-account-signing-key-file={SERVICE_ACCOUNT_KEY}"),
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",
        &format!("--audit-policy-file={}", audit::POLICY),
        &format!("--audit-log-path={}", audit::LOG),
        // A call is on record before it is answered.
        "--audit-log-mode=blocking",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// kube-controller-manager's command line.
pub(crate) fn controller_manager(kubeconfig: &Path) -> Vec<String> {
    [
        &format!("--kubeconfig={}", kubeconfig.display()),
        // It is the only one.
        "--leader-elect=false",
        // Nobody looks at its pages.
        "--secure-port=0",
        &format!("--service-account-private-key-file={SERVICE_ACCOUNT_KEY}"),
        &format!("--root-ca-file={CA}"),
    ]
    .map(str::to_owned)
    .to_vec()
}
