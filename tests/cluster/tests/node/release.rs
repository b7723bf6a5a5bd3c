//! The operator as its chart installs it.

use std::process::Command;

use angzarr_cluster::{helm, repository};

use crate::place::Place;

/// The name of the release.
const RELEASE: &str = "angzarr";

impl Place {
    /// Installs an operator of this namespace only, and waits until it is ready.
    pub(crate) fn install_operator(&self) {
        self.install_operator_with(&[]);
    }

    /// Does the same with further values.
    pub(crate) fn install_operator_with(&self, values: &[&str]) {
        let chart = "charts/angzarr-operator";
        let mut arguments = vec!["install", RELEASE, chart, "--wait", "--timeout=60s"];
        for value in ["scope=namespaced"].iter().chain(values) {
            arguments.extend(["--set", value]);
        }
        self.helm(&arguments);
    }

    /// Installs the operator and the shop, and waits until all is ready.
    pub(crate) fn deploy(&self) {
        let ran = Command::new("make")
            .args(["dev-deploy", &format!("NAMESPACE={}", self.namespace)])
            .env("KUBECONFIG", self.plane.kubeconfig())
            .current_dir(repository())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{said}\n{}", self.pods());
    }

    /// Removes it, and waits until its pods are gone.
    pub(crate) fn uninstall_operator(&self) {
        self.helm(&["uninstall", RELEASE, "--wait", "--timeout=60s"]);
    }

    fn helm(&self, arguments: &[&str]) {
        let ran = Command::new(helm())
            .args(arguments)
            .args(["--namespace", &self.namespace])
            .env("KUBECONFIG", self.plane.kubeconfig())
            .current_dir(repository())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(
            ran.status.success(),
            "helm {arguments:?}: {said}\n{}",
            self.pods()
        );
    }
}
