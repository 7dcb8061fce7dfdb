//! Where the workspace is, and what `cargo metadata` says of its packages.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command;

/// The workspace that this tool belongs to.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

/// A package of the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// The sentence that its manifest says about it.
    pub(crate) description: String,
    /// Its folder, from the top of the workspace.
    pub(crate) folder: String,
    /// Whether it may be published.
    pub(crate) published: bool,
    /// The names of what it depends on, in whatever way: code, tests, build scripts.
    pub(crate) dependencies: Vec<String>,
}

impl Workspace {
    /// Finds the workspace from the place where this tool was compiled.
    pub(crate) fn of_this_tool() -> Self {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = own
            .parent()
            .expect("this package's folder stands in the workspace's");
        Self {
            root: root.to_owned(),
        }
    }

    /// The top folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether a file or a folder is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// The packages, in the order of their names.
    pub(crate) fn packages(&self) -> Result<Vec<Package>, String> {
        let mut packages: Vec<Package> = list(&self.metadata()?["packages"])
            .iter()
            .map(|package| self.package(package))
            .collect();
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(packages)
    }

    /// The packages that are a product, and not a tool of this workspace.
    pub(crate) fn published(&self) -> Result<Vec<Package>, String> {
        let mut packages = self.packages()?;
        packages.retain(|package| package.published);
        Ok(packages)
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target(&self) -> Result<PathBuf, String> {
        let metadata = self.metadata()?;
        let folder = metadata["target_directory"].as_str();
        folder
            .map(PathBuf::from)
            .ok_or_else(|| "cargo metadata names no target folder".to_owned())
    }

    fn metadata(&self) -> Result<Value, String> {
        let args = ["metadata", "--no-deps", "--format-version=1"];
        let text = command::cargo(self, args).stdout()?;
        serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))
    }

    fn package(&self, package: &Value) -> Package {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let folder = manifest.parent().unwrap_or(&manifest);
        let folder = folder.strip_prefix(&self.root).unwrap_or(folder);
        Package {
            name: text(&package["name"]),
            description: text(&package["description"]),
            folder: folder.display().to_string(),
            // Null is "anywhere"; an empty list is `publish = false`.
            published: package["publish"].is_null(),
            dependencies: list(&package["dependencies"])
                .iter()
                .map(|dependency| text(&dependency["name"]))
                .collect(),
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
