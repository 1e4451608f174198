//! How clients reach a control plane as its administrator.

use std::path::Path;

use anyhow::Result;
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::pki::file::{ADMIN, ADMIN_KEY, CA};

/// The administrator's configuration.
pub(crate) fn admin(url: &str, dir: &Path) -> Result<Config> {
    let path = |name| dir.join(name).display().to_string();
    let mut config = Config::new(url.parse()?);
    config.root_cert_file = Some(dir.join(CA));
    config.auth_info.client_certificate = Some(path(ADMIN));
    config.auth_info.client_key = Some(path(ADMIN_KEY));
    // A test wants the first answer.
    config.default_retry = false;
    Ok(config)
}

/// A client on the runtime that this is called in.
pub(crate) fn connect(config: Config) -> Client {
    Client::try_from(config).expect("a control plane's own certificates are good")
}

/// The same as a kubeconfig, of one who acts for this user where one is given: JSON is YAML too.
pub(crate) fn kubeconfig(url: &str, dir: &Path, user: Option<&str>) -> Value {
    let name = "sallyport-tests";
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name } }],
        "clusters": [{ "name": name, "cluster": { "server": url, "certificate-authority": dir.join(CA) } }],
        "users": [{ "name": name, "user": {
            "client-certificate": dir.join(ADMIN),
            "client-key": dir.join(ADMIN_KEY),
            "as": user,
        } }],
    })
}
