//! A folder as the kubelet fills it from a ConfigMap (`AtomicWriter` of Kubernetes,
//! pkg/volume/util/atomic_writer.go): files are links through `..data`, which is a link to a folder
//! named by time. An update makes a new folder and moves another `..data` over the old one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A volume with a ConfigMap.
pub struct ConfigMap {
    folder: PathBuf,
    updates: u32,
}

impl ConfigMap {
    /// Fills a folder, which is made.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn new(folder: &Path, files: &[(&str, &str)]) -> Self {
        fs::create_dir_all(folder).expect("the folder can be made");
        let mut new = Self {
            folder: folder.to_path_buf(),
            updates: 0,
        };
        new.update(files);
        new
    }

    /// Puts other content in place of what there is.
    ///
    /// # Panics
    /// If the folder is gone.
    pub fn update(&mut self, files: &[(&str, &str)]) {
        self.updates += 1;
        let time = format!("..2026_11_25_20_30_{:02}.1234567890", self.updates);
        let old = fs::read_link(self.folder.join("..data")).ok();
        fs::create_dir(self.folder.join(&time)).expect("the folder is ours");
        for (name, text) in files {
            fs::write(self.folder.join(&time).join(name), text).expect("the folder is ours");
        }
        let new = self.folder.join("..data_tmp");
        symlink(&time, &new)
            .and_then(|()| fs::rename(&new, self.folder.join("..data")))
            .expect("the folder is ours");
        for (name, _) in files {
            let link = self.folder.join(name);
            if !link.is_symlink() {
                let target = Path::new("..data").join(name);
                symlink(target, link).expect("the folder is ours");
            }
        }
        if let Some(old) = old {
            fs::remove_dir_all(self.folder.join(old)).expect("it was there");
        }
    }
}
