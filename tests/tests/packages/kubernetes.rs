//! The container recipe and the Kubernetes manifests, held to the daemon that they run.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use edge_filter_tests::daemon::{ConfigMap, METRICS, Manifest, binary, documents, texts};
use filter_user::config::policy::Daemon;
use filter_user::config::{HostFacts, load};
use serde_json::Value;

fn config_map() -> Value {
    let documents = documents("kubernetes/configmap.yaml");
    let mut maps = documents.into_iter().filter(|d| d["kind"] == "ConfigMap");
    let map = maps.next().expect("there is one");
    assert!(maps.next().is_none());
    map
}

fn pod() -> Value {
    Manifest::daemon_set().daemon_set["spec"]["template"]["spec"].clone()
}

/// The settings of a daemon that is told none.
fn defaults() -> Daemon {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.toml");
    fs::write(&file, "[[interface]]\nname = \"eth0\"\n").expect("ours");
    let loaded = load(&file, &HostFacts::default()).unwrap_or_else(|_| panic!("it is valid"));
    loaded.policy.daemon
}

/// What the folder with these files says to `edge-filter check`.
fn check(data: &Value) -> std::process::Output {
    let files = data.as_object().expect("files by name");
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (&**name, text.as_str().expect("it is text")))
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let volume = folder.path().join("volume");
    ConfigMap::new(&volume, &files);
    let mut command = Command::new(binary());
    command.args(["check", "--config"]);
    let output = command.arg(volume.join("config.toml")).output();
    output.expect("it is built: cargo xtask build")
}

#[test]
fn it_is_on_the_nodes_network_and_not_privileged() {
    let pod = pod();
    assert_eq!(pod["hostNetwork"], true);
    for namespace in ["hostPID", "hostIPC"] {
        assert_ne!(pod[namespace], true, "{namespace}");
    }
    assert_eq!(pod["automountServiceAccountToken"], false);
    let containers = pod["containers"].as_array().expect("a list");
    assert_eq!(containers.len(), 1);
    let context = &containers[0]["securityContext"];
    assert_eq!(context["privileged"], false);
    assert_eq!(context["allowPrivilegeEscalation"], false);
    assert_eq!(context["readOnlyRootFilesystem"], true);
}

#[test]
fn it_has_the_capabilities_of_the_unit_and_no_others() {
    let unit = include_str!("../../../config/edge-filter.service");
    let unit = unit
        .lines()
        .find_map(|line| line.strip_prefix("CapabilityBoundingSet="))
        .expect("the unit bounds them");
    let unit: BTreeSet<_> = unit
        .split_whitespace()
        .map(|name| name.trim_start_matches("CAP_").to_owned())
        .collect();
    let manifest = Manifest::daemon_set();
    let added: BTreeSet<_> = manifest.capabilities.into_iter().collect();
    assert_eq!(added, unit);
    let context = &pod()["containers"][0]["securityContext"];
    assert_eq!(texts(&context["capabilities"]["drop"]), ["ALL"]);
}

#[test]
fn it_mounts_what_the_daemon_uses_when_it_is_told_nothing() {
    let manifest = Manifest::daemon_set();
    let pod = pod();
    let volumes = pod["volumes"].as_array().expect("a list");
    let named = |name: &str| {
        let found = volumes.iter().find(|volume| volume["name"] == name);
        found.unwrap_or_else(|| panic!("no volume {name}"))
    };
    let defaults = defaults();
    let control = defaults.control_socket.parent().expect("it has one");
    let pins = defaults.pin_path.parent().expect("it has one");
    for folder in [pins, &defaults.state_directory, control] {
        let mount = manifest
            .mounts
            .iter()
            .find(|mount| Path::new(&mount.path) == folder)
            .unwrap_or_else(|| panic!("{} is not mounted", folder.display()));
        assert!(!mount.is_read_only, "{}", mount.path);
        // The node's own: what outlives the pod.
        assert_eq!(named(&mount.volume)["hostPath"]["path"], *mount.path);
    }
    let configuration = &named("configuration")["configMap"]["name"];
    assert_eq!(*configuration, config_map()["metadata"]["name"]);
    let container = &pod["containers"][0];
    for mount in container["volumeMounts"].as_array().expect("a list") {
        assert!(mount["subPath"].is_null(), "such a mount is never updated");
    }
}

#[test]
fn each_probe_asks_where_the_daemon_answers() {
    let container = &pod()["containers"][0];
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let get = &container[probe]["httpGet"];
        let address = format!("{}:{}", get["host"].as_str().expect(probe), get["port"]);
        assert_eq!(address, METRICS, "{probe}");
        assert_eq!(get["path"], "/metrics", "{probe}");
    }
    assert_eq!(defaults().metrics_listen.to_string(), METRICS);
}

#[test]
fn both_manifests_and_the_selectors_agree() {
    let manifest = Manifest::daemon_set().daemon_set;
    let namespaces: BTreeSet<_> = documents("kubernetes/configmap.yaml")
        .iter()
        .chain([&manifest])
        .map(|document| match &document["kind"] {
            kind if kind == "Namespace" => document["metadata"]["name"].clone(),
            _ => document["metadata"]["namespace"].clone(),
        })
        .map(|name| name.as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(namespaces.len(), 1, "{namespaces:?}");
    let spec = &manifest["spec"];
    assert_eq!(
        spec["selector"]["matchLabels"],
        spec["template"]["metadata"]["labels"]
    );
}

#[test]
fn the_configuration_of_the_map_is_valid_and_drops_nothing() {
    let map = config_map();
    let output = check(&map["data"]);
    let said = String::from_utf8_lossy(&output.stderr);
    // Without a node's eth0 there is a warning, but no error.
    assert!(output.status.success(), "{said}");
    let text = map["data"]["config.toml"].as_str().expect("it is text");
    let config: toml::Table = toml::from_str(text).expect("it is TOML");
    assert_eq!(config["policy"]["mode"].as_str(), Some("monitor"));
}

#[test]
fn the_recipe_copies_what_the_tarball_has() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let recipe = fs::read_to_string(root.join("container/Containerfile")).expect("it ships");
    assert!(recipe.contains("FROM scratch\n"), "{recipe}");
    assert!(recipe.contains("COPY container/root.sh "), "{recipe}");
    assert!(
        recipe.contains("COPY root/usr/bin/edge-filter "),
        "{recipe}"
    );
    assert!(root.join("container/root.sh").is_file());
}
