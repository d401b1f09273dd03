//! Folders to watch for changes of files. Folders, not files: an editor moves a new file over the
//! old one, config management swaps a link to a folder; the old file never hears of it.

use notify::event::{EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Links followed from one path; the kernel gives up at as many (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Tells whenever something happens in a watched folder.
pub struct Watcher {
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    changed: Arc<Notify>,
    has_moved_in: Arc<AtomicBool>,
}

impl Watcher {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// The system has no more watchers.
    pub fn new() -> notify::Result<Self> {
        let changed = Arc::new(Notify::new());
        let has_moved_in = Arc::new(AtomicBool::new(false));
        let (tell, moved_in) = (Arc::clone(&changed), Arc::clone(&has_moved_in));
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let kind = event.map(|event| event.kind);
            // Reading a file is no change; without this a reload would cause the next.
            if kind.as_ref().is_ok_and(EventKind::is_access) {
                return;
            }
            let is_move = matches!(kind, Ok(EventKind::Modify(ModifyKind::Name(_))));
            moved_in.store(is_move, Ordering::Release);
            tell.notify_one();
        })?;
        Ok(Self {
            watcher,
            watched: BTreeSet::new(),
            changed,
            has_moved_in,
        })
    }

    /// Watches the folders of these files from now on; returns those that cannot be watched.
    /// A folder that was replaced by another of its name is watched anew. One that is gone, as when
    /// a ConfigMap is just updated, is told by the folder of the link that leads elsewhere now.
    pub fn watch(&mut self, files: &[PathBuf]) -> Vec<(PathBuf, notify::Error)> {
        let wanted: BTreeSet<PathBuf> = files.iter().flat_map(|f| folders_of(f)).collect();
        for folder in self.watched.difference(&wanted) {
            // It may be gone already.
            let _ = self.watcher.unwatch(folder);
        }
        let mut failed = Vec::new();
        for folder in &wanted {
            if let Err(error) = self.watcher.watch(folder, RecursiveMode::NonRecursive)
                && folder.exists()
            {
                failed.push((folder.clone(), error));
            }
        }
        self.watched = wanted;
        failed
    }

    /// Whether the last change in the watched folders was a move. What is moved to its place was
    /// finished before; what is written there may not be.
    pub fn has_moved_in(&self) -> bool {
        self.has_moved_in.load(Ordering::Acquire)
    }

    /// A reload begins: what was moved before it says nothing of what changes after it.
    pub fn forget_moves(&self) {
        self.has_moved_in.store(false, Ordering::Release);
    }

    /// To wait for changes while the watcher itself is borrowed elsewhere.
    pub fn changes(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }
}

/// Every folder in which a change may give this path another content: its own, and those of the
/// links on the way.
pub fn folders_of(file: &Path) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    let mut path = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
    for _ in 0..MAX_LINKS {
        let Some((link, target)) = first_link(&path) else {
            break;
        };
        let folder = link.parent().unwrap_or(Path::new("/"));
        folders.insert(folder.to_path_buf());
        let rest = path.strip_prefix(&link).unwrap_or(Path::new(""));
        let resolved = folder.join(target);
        path = if rest.as_os_str().is_empty() {
            resolved
        } else {
            resolved.join(rest)
        };
    }
    if let Some(folder) = path.parent() {
        folders.insert(folder.to_path_buf());
    }
    folders
}

/// The first part of a path that is a link, and where it leads.
fn first_link(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut parts: Vec<_> = path.ancestors().collect();
    parts.reverse();
    let link = |part: &Path| Some((part.to_path_buf(), std::fs::read_link(part).ok()?));
    parts.into_iter().find_map(link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn folders_of_links_on_the_way_are_watched_too() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["etc", "data", "data/v1"] {
            std::fs::create_dir(root.join(name)).unwrap();
        }
        std::fs::write(root.join("data/v1/config.toml"), "").unwrap();
        symlink("v1", root.join("data/current")).unwrap();
        symlink("../data/current/config.toml", root.join("etc/config.toml")).unwrap();
        let found = folders_of(&root.join("etc/config.toml"));
        let found: Vec<_> = found.iter().filter_map(|f| f.canonicalize().ok()).collect();
        for name in ["etc", "data", "data/v1"] {
            assert!(found.contains(&root.join(name)), "{name}: {found:?}");
        }
    }

    #[test]
    fn a_loop_of_links_ends() {
        let folder = tempfile::tempdir().unwrap();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        assert!(!folders_of(&folder.path().join("a")).is_empty());
    }
}
