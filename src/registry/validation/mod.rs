//! Validation, kind by kind, with the paths and texts that kube-apiserver gives.
