//! Random pods, with right and wrong values in every field that a control reads; most of them the API server takes
//! for valid.

use serde_json::{Map, Value, json};

/// Numbers that one seed gives, always the same (SplitMix64).
pub(super) struct Random {
    state: u64,
    /// How many of a hundred values are wrong.
    wrong: u64,
}

impl Random {
    /// The numbers of one pod. Some pods are all right, some have little wrong with them and some much.
    pub(super) fn new(seed: u64, pod: u64) -> Self {
        let mut random = Self { state: seed.wrapping_add(pod.wrapping_mul(0xD1B5_4A32_D192_ED03)), wrong: 0 };
        random.wrong = *random.one_of(&[0, 2, 5, 20, 50]);
        random
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn in_hundred(&mut self, many: u64) -> bool {
        self.next() % 100 < many
    }

    fn one_of<'v, T>(&mut self, values: &'v [T]) -> &'v T {
        &values[self.next() as usize % values.len()]
    }

    fn is_wrong(&mut self) -> bool {
        let wrong = self.wrong;
        self.in_hundred(wrong)
    }

    /// Sets a field to one of the wrong values, or to one of the right ones or nothing.
    fn set(&mut self, fields: &mut Map<String, Value>, field: &str, right: &[Value], wrong: &[Value]) {
        let values = if self.is_wrong() { wrong } else { right };
        if values.is_empty() || (self.in_hundred(60) && !self.is_demanded(field)) {
            return;
        }
        let value = self.one_of(values).clone();
        fields.insert(field.to_owned(), value);
    }

    /// What the level restricted demands is mostly there, or no pod would pass it.
    fn is_demanded(&mut self, field: &str) -> bool {
        let demanded = ["allowPrivilegeEscalation", "capabilities", "runAsNonRoot", "seccompProfile"];
        demanded.contains(&field) && !self.is_wrong()
    }
}

/// What decides which fields a pod may have beside which others.
#[derive(Clone, Copy)]
struct Nature {
    os: Option<&'static str>,
    host_users: Option<bool>,
    host_network: bool,
    /// Every container is one with the node, as the API server demands of all or none.
    host_process: bool,
    /// Profiles are named in annotations, and then in no field: the API server wants both to say the same.
    annotated: bool,
}

impl Nature {
    fn of_linux(self) -> bool {
        self.os != Some("windows")
    }

    fn of_windows(self) -> bool {
        self.os != Some("linux")
    }
}

/// A pod named `web`.
pub(super) fn pod(random: &mut Random) -> Value {
    let os = *random.one_of(&[None, None, Some("linux"), Some("windows")]);
    let host_process = os != Some("linux") && random.is_wrong();
    let linux = os != Some("windows") && !host_process;
    let host_users = if linux { *random.one_of(&[None, None, Some(true), Some(false)]) } else { None };
    let host_network = host_process || (linux && host_users != Some(false) && random.is_wrong());
    let annotated = linux && random.in_hundred(30);
    let nature = Nature { os, host_users, host_network, host_process, annotated };

    let mut spec = Map::new();
    if let Some(os) = os {
        spec.insert("os".to_owned(), json!({ "name": os }));
    }
    if let Some(host_users) = host_users {
        spec.insert("hostUsers".to_owned(), json!(host_users));
    }
    if host_network {
        spec.insert("hostNetwork".to_owned(), json!(true));
    }
    if nature.of_linux() {
        let wrong: &[Value] = if host_users == Some(false) { &[] } else { &[json!(true)] };
        random.set(&mut spec, "hostPID", &[json!(false)], wrong);
        random.set(&mut spec, "hostIPC", &[json!(false)], wrong);
    }
    let host_ipc = spec.get("hostIPC") == Some(&json!(true));
    let context = pod_context(random, nature, host_ipc);
    if !context.is_empty() || random.in_hundred(50) {
        spec.insert("securityContext".to_owned(), json!(context));
    }
    let mut names = Vec::new();
    for (list, most) in [("initContainers", 2), ("containers", 3)] {
        let count = random.next() % most + u64::from(list == "containers");
        let containers: Vec<Value> = (0..count)
            .map(|number| {
                let name = format!("{}-{number}", list.to_lowercase());
                names.push(name.clone());
                container(random, nature, list, &name, 8000 + 10 * names.len() as u64)
            })
            .collect();
        spec.insert(list.to_owned(), json!(containers));
    }
    let volumes: Vec<Value> = (0..random.next() % 4).map(|number| volume(random, number)).collect();
    spec.insert("volumes".to_owned(), json!(volumes));
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "web", "annotations": annotations(random, nature, &names) },
        "spec": spec,
    })
}

/// The annotations that controls read or once did, of containers that there are: those of others are invalid.
fn annotations(random: &mut Random, nature: Nature, names: &[String]) -> Map<String, Value> {
    let mut annotations = Map::new();
    if nature.annotated {
        for name in names {
            let key = format!("container.apparmor.security.beta.kubernetes.io/{name}");
            let right = [json!("runtime/default"), json!("localhost/web")];
            random.set(&mut annotations, &key, &right, &[json!("unconfined")]);
        }
        let right = [json!("runtime/default"), json!("docker/default"), json!("localhost/web.json")];
        for name in names.iter().map(String::as_str).chain(["another"]) {
            let key = format!("container.seccomp.security.alpha.kubernetes.io/{name}");
            random.set(&mut annotations, &key, &right, &[json!("unconfined")]);
        }
        let key = "seccomp.security.alpha.kubernetes.io/pod";
        random.set(&mut annotations, key, &right, &[json!("unconfined")]);
    }
    random.set(&mut annotations, "example.com/owner", &[json!("unconfined")], &[]);
    annotations
}

fn pod_context(random: &mut Random, nature: Nature, host_ipc: bool) -> Map<String, Value> {
    let mut context = shared_context(random, nature);
    // The API server has no sysctls of the network or of shared memory beside the node's own.
    if nature.of_linux() && !nature.host_network && !host_ipc {
        let names = [
            "kernel.shm_rmid_forced",
            "net.ipv4.ip_local_port_range",
            "net.ipv4.tcp_syncookies",
            "net.ipv4.ping_group_range",
            "net.ipv4.ip_unprivileged_port_start",
        ];
        // Right from some version on.
        let later = [
            "net.ipv4.ip_local_reserved_ports",
            "net.ipv4.tcp_keepalive_time",
            "net.ipv4.tcp_fin_timeout",
            "net.ipv4.tcp_keepalive_intvl",
            "net.ipv4.tcp_keepalive_probes",
            "net.ipv4.tcp_rmem",
            "net.ipv4.tcp_wmem",
        ];
        let mut sysctls = Vec::new();
        for (names, many) in [(&names[..], 10), (&later[..], 3), (&["kernel.msgmax", "fs.mqueue.msg_max"], 0)]
        {
            for name in names {
                let wrong = many < 10 && random.is_wrong() && random.in_hundred(30);
                if wrong || random.in_hundred(many) {
                    sysctls.push(json!({ "name": name, "value": "1" }));
                }
            }
        }
        if !sysctls.is_empty() {
            context.insert("sysctls".to_owned(), json!(sysctls));
        }
    }
    context
}

/// The fields that a pod's security context and a container's share.
fn shared_context(random: &mut Random, nature: Nature) -> Map<String, Value> {
    let mut context = Map::new();
    random.set(&mut context, "runAsNonRoot", &[json!(true)], &[json!(false)]);
    if nature.of_linux() {
        random.set(&mut context, "runAsUser", &[json!(1000)], &[json!(0)]);
        let profiles =
            [json!({ "type": "RuntimeDefault" }), json!({ "type": "Localhost", "localhostProfile": "web" })];
        let wrong = [json!({ "type": "Unconfined" })];
        if !nature.annotated {
            random.set(&mut context, "seccompProfile", &profiles, &wrong);
            random.set(&mut context, "appArmorProfile", &profiles, &wrong);
        }
        let types =
            ["container_t", "container_init_t", "container_kvm_t"].map(|name| json!({ "type": name }));
        let right =
            [&types[..], &[json!({}), json!({ "level": "s0:c1,c2" }), json!({ "user": "" })]].concat();
        let wrong = [
            json!({ "type": "spc_t" }),
            json!({ "type": "container_engine_t" }),
            json!({ "user": "system_u" }),
            json!({ "role": "system_r", "type": "container_t" }),
        ];
        random.set(&mut context, "seLinuxOptions", &right, &wrong);
    }
    if nature.host_process {
        context.insert("windowsOptions".to_owned(), json!({ "hostProcess": true }));
        // A process of the node runs as a user of the node.
        context.remove("runAsNonRoot");
    } else if nature.of_windows() {
        random.set(&mut context, "windowsOptions", &[json!({}), json!({ "hostProcess": false })], &[]);
    }
    context
}

fn container(random: &mut Random, nature: Nature, list: &str, name: &str, port: u64) -> Value {
    let mut container = Map::new();
    container.insert("name".to_owned(), json!(name));
    container.insert("image".to_owned(), json!("registry.example.com/web:1"));
    let sidecar = list == "initContainers" && random.in_hundred(50);
    if sidecar {
        container.insert("restartPolicy".to_owned(), json!("Always"));
    }
    let mut context = shared_context(random, nature);
    if nature.of_linux() {
        linux_context(random, nature, &mut context);
    }
    if !context.is_empty() || random.in_hundred(50) {
        container.insert("securityContext".to_owned(), json!(context));
    }
    let host_port = if nature.host_network { port } else { port + 1000 };
    let ports =
        [json!([{ "containerPort": port }]), json!([{ "containerPort": port, "hostPort": 0 }]), json!([])];
    let wrong = [json!([{ "containerPort": port + 1 }, { "containerPort": port, "hostPort": host_port }])];
    random.set(&mut container, "ports", &ports, &wrong);
    if list == "containers" || sidecar {
        let right = [
            json!({ "httpGet": { "port": 80 } }),
            json!({ "httpGet": { "port": 80, "host": "" } }),
            json!({ "tcpSocket": { "port": 80 } }),
            json!({ "exec": { "command": ["true"] } }),
            json!({ "grpc": { "port": 80 } }),
        ];
        let wrong = [
            json!({ "httpGet": { "port": 80, "host": "169.254.169.254" } }),
            json!({ "tcpSocket": { "port": 80, "host": "localhost" } }),
        ];
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            random.set(&mut container, probe, &right, &wrong);
        }
        let mut hooks = Map::new();
        for hook in ["postStart", "preStop"] {
            random.set(&mut hooks, hook, &right[..4], &wrong);
        }
        if !hooks.is_empty() {
            container.insert("lifecycle".to_owned(), json!(hooks));
        }
    }
    Value::Object(container)
}

fn linux_context(random: &mut Random, nature: Nature, context: &mut Map<String, Value>) {
    let mut capabilities = Map::new();
    let dropped = [json!(["ALL"]), json!(["KILL", "ALL"])];
    random.set(&mut capabilities, "drop", &dropped, &[json!(["KILL"]), json!([]), json!(["all"])]);
    let added = [json!(["NET_BIND_SERVICE"]), json!([])];
    let wrong = [
        json!(["CHOWN"]),
        json!(["NET_RAW"]),
        json!(["NET_BIND_SERVICE", "SYS_TIME"]),
        json!(["ALL"]),
        json!(["SETPCAP", "MKNOD"]),
        json!(["CAP_CHOWN"]),
    ];
    random.set(&mut capabilities, "add", &added, &wrong);
    if !random.is_wrong() {
        capabilities.insert("drop".to_owned(), json!(["ALL"]));
    }
    random.set(context, "capabilities", &[json!(capabilities)], &[json!({}), json!(capabilities)]);
    random.set(context, "privileged", &[json!(false)], &[json!(true)]);
    let privileged = context.get("privileged") == Some(&json!(true));
    // The API server has none that is privileged and may not gain privileges.
    let right: &[Value] = if privileged { &[] } else { &[json!(false)] };
    random.set(context, "allowPrivilegeEscalation", right, &[json!(true)]);
    // It has none unmasked outside of a user namespace.
    let unmasked: &[Value] = if nature.host_users == Some(false) { &[json!("Unmasked")] } else { &[] };
    random.set(context, "procMount", &[json!("Default")], unmasked);
}

fn volume(random: &mut Random, number: u64) -> Value {
    let right = [
        json!({}),
        json!({ "configMap": { "name": "web" } }),
        json!({ "csi": { "driver": "csi.example.com" } }),
        json!({ "downwardAPI": { "items": [] } }),
        json!({ "emptyDir": {} }),
        json!({ "ephemeral": { "volumeClaimTemplate": { "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } },
        } } } }),
        json!({ "image": { "reference": "registry.example.com/data:1" } }),
        json!({ "persistentVolumeClaim": { "claimName": "web" } }),
        json!({ "projected": { "sources": [] } }),
        json!({ "secret": { "secretName": "web" } }),
    ];
    let wrong = [
        json!({ "hostPath": { "path": "/" } }),
        json!({ "hostPath": { "path": "/var/log", "type": "Directory" } }),
        json!({ "hostPath": { "path": "/dev" } }),
        json!({ "gcePersistentDisk": { "pdName": "web" } }),
        json!({ "awsElasticBlockStore": { "volumeID": "web" } }),
        json!({ "gitRepo": { "repository": "https://git.example.com/web" } }),
        json!({ "nfs": { "server": "nfs.example.com", "path": "/" } }),
        json!({ "iscsi": { "targetPortal": "10.0.0.1:3260", "iqn": "iqn.2001-04.com.example:web", "lun": 0 } }),
        json!({ "glusterfs": { "endpoints": "web", "path": "web" } }),
        json!({ "rbd": { "monitors": ["10.0.0.1"], "image": "web" } }),
        json!({ "flexVolume": { "driver": "example.com/web" } }),
        json!({ "cinder": { "volumeID": "web" } }),
        json!({ "cephfs": { "monitors": ["10.0.0.1"] } }),
        json!({ "flocker": { "datasetName": "web" } }),
        json!({ "fc": { "targetWWNs": ["50060e801049cfd1"], "lun": 0 } }),
        json!({ "azureFile": { "secretName": "web", "shareName": "web" } }),
        json!({ "vsphereVolume": { "volumePath": "[web] web" } }),
        json!({ "quobyte": { "registry": "10.0.0.1:7861", "volume": "web" } }),
        json!({ "azureDisk": { "diskName": "web", "diskURI": "https://blob.example.com/web" } }),
        json!({ "portworxVolume": { "volumeID": "web" } }),
        json!({ "photonPersistentDisk": { "pdID": "web" } }),
        json!({ "scaleIO": { "gateway": "https://10.0.0.1", "system": "web", "volumeName": "web",
                "secretRef": { "name": "web" } } }),
        json!({ "storageos": { "volumeName": "web" } }),
    ];
    let mut volume = if random.is_wrong() { random.one_of(&wrong) } else { random.one_of(&right) }.clone();
    volume["name"] = json!(format!("volume-{number}"));
    volume
}
