//! The DaemonSet that ships, as far as tests hold the daemon to it.

use std::path::Path;

use serde_json::Value;

/// What a container runtime is told.
pub struct Manifest {
    /// The whole DaemonSet.
    pub daemon_set: Value,
    /// Program of the image: its entry point.
    pub program: String,
    /// Arguments of the program.
    pub arguments: Vec<String>,
    /// All that the program may have, without `CAP_`.
    pub capabilities: Vec<String>,
    /// What is mounted, in this order.
    pub mounts: Vec<Mount>,
    /// Address and port that the kubelet asks.
    pub probe_address: String,
    /// What it asks for there.
    pub probe_path: String,
}

/// A volume at a path.
pub struct Mount {
    /// Its name.
    pub volume: String,
    /// In the container.
    pub path: String,
    /// Whether nothing can be written to it.
    pub is_read_only: bool,
}

impl Manifest {
    /// Reads it.
    ///
    /// # Panics
    /// If something that tests look at is missing.
    pub fn daemon_set() -> Self {
        let documents = documents("kubernetes/daemonset.yaml");
        let [daemon_set] = &documents[..] else {
            panic!("{} documents", documents.len());
        };
        let pod = &daemon_set["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let mount = |mount: &Value| Mount {
            volume: text(&mount["name"]),
            path: text(&mount["mountPath"]),
            is_read_only: mount["readOnly"] == true,
        };
        let mounts = container["volumeMounts"].as_array().expect("a list");
        let probe = &container["readinessProbe"]["httpGet"];
        Self {
            program: entry_point(),
            arguments: texts(&container["args"]),
            capabilities: texts(&container["securityContext"]["capabilities"]["add"]),
            mounts: mounts.iter().map(mount).collect(),
            probe_address: format!("{}:{}", text(&probe["host"]), probe["port"]),
            probe_path: text(&probe["path"]),
            daemon_set: daemon_set.clone(),
        }
    }
}

/// The documents of a YAML file below `config/`.
///
/// # Panics
/// If it is none.
pub fn documents(name: &str) -> Vec<Value> {
    let text = read(name);
    serde_yaml_ng::Deserializer::from_str(&text)
        .map(|document| serde::Deserialize::deserialize(document).expect(name))
        .collect()
}

/// Texts of a list.
///
/// # Panics
/// If it is none.
pub fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list");
    list.iter().map(text).collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn entry_point() -> String {
    let recipe = read("container/Containerfile");
    let line = recipe
        .lines()
        .find_map(|line| line.strip_prefix("ENTRYPOINT "));
    let list: Value = serde_json::from_str(line.expect("it has one")).expect("a list");
    text(&list[0])
}

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../config")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
