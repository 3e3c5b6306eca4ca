//! The roles and bindings that every cluster has, read from `default.txt`, which tells its form.

use super::rule::Rule;
use std::sync::LazyLock;

const FILE: &str = include_str!("default.txt");
static DEFAULT: LazyLock<Policy> = LazyLock::new(|| Policy::parse(FILE));

/// Default roles and bindings, in the order of the file.
#[derive(Debug, Default)]
pub struct Policy {
    /// Cluster roles, and roles of system namespaces.
    pub roles: Vec<Role>,
    /// Cluster role bindings, and role bindings of system namespaces.
    pub bindings: Vec<Binding>,
}

/// A role.
#[derive(Debug, Default)]
pub struct Role {
    /// "" for a cluster role.
    pub namespace: &'static str,
    /// Its name.
    pub name: &'static str,
    /// A label beside those of all bootstrap objects.
    pub label: Option<(&'static str, &'static str)>,
    /// The label of the roles whose union it is.
    pub aggregates: Option<(&'static str, &'static str)>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// A binding.
#[derive(Debug)]
pub struct Binding {
    /// "" for a cluster role binding.
    pub namespace: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The kind and name of its role.
    pub role: (&'static str, &'static str),
    /// Kind, namespace and name of each subject.
    pub subjects: Vec<(&'static str, &'static str, &'static str)>,
}

/// The default policy.
pub fn default() -> &'static Policy {
    &DEFAULT
}

/// Its cluster roles.
pub fn cluster_roles() -> impl Iterator<Item = &'static Role> {
    default().roles.iter().filter(|role| role.namespace.is_empty())
}

impl Policy {
    /// Lines of another form are passed over; the test of the file has none.
    fn parse(text: &'static str) -> Self {
        let mut policy = Self::default();
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        for line in lines {
            let words: Vec<&'static str> = line.split_whitespace().collect();
            let known = policy.object(&words) || policy.detail(&words);
            debug_assert!(known, "{line}");
        }
        policy
    }

    /// A line that begins an object.
    fn object(&mut self, words: &[&'static str]) -> bool {
        match *words {
            ["clusterrole", name] => self.roles.push(Role { name, ..Role::default() }),
            ["role", namespace, name] => {
                self.roles.push(Role { namespace, name, ..Role::default() });
            }
            ["clusterrolebinding", name, role] => {
                let role = ("ClusterRole", role);
                self.bindings.push(Binding { namespace: "", name, role, subjects: Vec::new() });
            }
            ["rolebinding", namespace, name, kind, role] => {
                let role = (kind, role);
                self.bindings.push(Binding { namespace, name, role, subjects: Vec::new() });
            }
            _ => return false,
        }
        true
    }

    /// A line of the object before it.
    fn detail(&mut self, words: &[&'static str]) -> bool {
        if let [kind @ ("User" | "Group" | "ServiceAccount"), name] = *words {
            let Some(binding) = self.bindings.last_mut() else { return false };
            let (namespace, name) = match kind {
                "ServiceAccount" => name.split_once('/').unwrap_or(("", name)),
                _ => ("", name),
            };
            binding.subjects.push((kind, namespace, name));
            return true;
        }
        let Some(role) = self.roles.last_mut() else { return false };
        match *words {
            ["label", pair] => role.label = pair.split_once('='),
            ["aggregate", pair] => role.aggregates = pair.split_once('='),
            ["urls", verbs, ref urls @ ..] => {
                let none = Box::default;
                role.rules.push(Rule::new(texts(verbs, '|'), none(), none(), none(), boxed(urls)));
            }
            ["rule", verbs, groups, ref resources @ ..] => {
                let (resources, names) = match resources {
                    [resources @ .., last] if last.starts_with("names=") => {
                        (resources, texts(last.trim_start_matches("names="), ','))
                    }
                    resources => (resources, Box::default()),
                };
                let groups = texts(groups, ',');
                let none = Box::default();
                role.rules.push(Rule::new(
                    texts(verbs, '|'),
                    groups,
                    boxed(resources),
                    names,
                    none,
                ));
            }
            _ => return false,
        }
        true
    }
}

fn texts(text: &str, between: char) -> Box<[Box<str>]> {
    text.split(between).map(|text| if text == "\"\"" { "" } else { text }.into()).collect()
}

fn boxed(texts: &[&str]) -> Box<[Box<str>]> {
    texts.iter().map(|&text| text.into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_file_is_understood() {
        let policy = default();
        let lines = FILE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let (details, objects): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("  "));
        assert_eq!(objects.len(), policy.roles.len() + policy.bindings.len());
        let of_role = |role: &Role| {
            role.rules.len()
                + usize::from(role.label.is_some())
                + usize::from(role.aggregates.is_some())
        };
        let subjects = policy.bindings.iter().map(|binding| binding.subjects.len());
        let understood = policy.roles.iter().map(of_role).sum::<usize>() + subjects.sum::<usize>();
        assert_eq!(details.len(), understood);
    }

    #[test]
    fn every_binding_names_a_role_of_the_file() {
        for binding in &default().bindings {
            let (kind, name) = binding.role;
            let namespace = if kind == "Role" { binding.namespace } else { "" };
            let mut roles = default().roles.iter();
            let found = roles.any(|role| role.namespace == namespace && role.name == name);
            assert!(found, "{} refers to {kind} {name}", binding.name);
        }
    }

    #[test]
    fn lists_are_sorted_and_no_name_is_given_twice() {
        let sorted = |texts: &[Box<str>]| texts.is_sorted();
        let mut names = std::collections::BTreeSet::new();
        for role in &default().roles {
            assert!(names.insert((role.namespace, role.name)), "{}", role.name);
            for rule in &role.rules {
                let lists = [&rule.verbs, &rule.groups, &rule.resources, &rule.names, &rule.urls];
                assert!(lists.into_iter().all(|list| sorted(list)), "{}: {rule}", role.name);
            }
        }
    }
}
