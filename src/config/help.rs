//! `--help`.

use crate::config::flags::FLAGS;
use crate::config::flags::Flag;
use crate::config::flags::Group;
use crate::config::flags::Kind;
use crate::config::flags::State;
use std::fmt::Write;

/// Columns of the text.
const WIDTH: usize = 100;
/// Column where the explanations stand.
const INDENT: usize = 8;

/// The whole text, grouped and sorted as kube-apiserver's.
#[must_use]
pub fn text() -> String {
    let mut text = String::from(
        "kubering is a Kubernetes API server (API of v1.36), a drop-in for kube-apiserver. Without \
         flags it keeps its\nobjects, certificates and a kubeconfig for kubectl in its data \
         directory and serves on port 6443.\n\nUsage:\n  kubering [flags]\n",
    );
    for group in Group::ALL {
        text.push('\n');
        text.push_str(group.title());
        text.push_str("\n\n");
        let mut flags: Vec<&Flag> = FLAGS.iter().filter(|flag| flag.group == group).collect();
        flags.sort_unstable_by_key(|flag| flag.name);
        for flag in flags {
            entry(&mut text, flag);
        }
    }
    text
}

fn entry(text: &mut String, flag: &Flag) {
    let short = match flag.name {
        "help" => "-h, ",
        "v" => "-v, ",
        _ => "    ",
    };
    let name = if flag.name == "v" { "--v" } else { "" };
    let name = if name.is_empty() { format!("--{}", flag.name) } else { name.to_owned() };
    let kind = match flag.kind {
        Kind::Bool => "",
        Kind::Duration => " duration",
        Kind::Float => " float",
        Kind::Int | Kind::Port => " int",
        Kind::Ip => " ip",
        Kind::List => " strings",
        Kind::Map => " mapStringString",
        Kind::Path | Kind::Text => " string",
    };
    let default = match (flag.default, flag.kind) {
        ("" | "false" | "0s", _) | ("0", Kind::Float) => String::new(),
        (default, Kind::Text | Kind::Path) => format!("     Default: {default:?}"),
        (default, Kind::List) => format!("     Default: [{default}]"),
        (default, _) => format!("     Default: {default}"),
    };
    // Writing to a String cannot fail.
    writeln!(text, "  {short}{name}{kind}{default}").ok();
    let help = match flag.state {
        State::Built => flag.help.to_owned(),
        State::Later => format!("{} (Not built yet: taken with a warning.)", flag.help),
        State::Moot => format!("{} (Without effect.)", flag.help),
    };
    let mut column = 0;
    for word in help.split_whitespace() {
        if column > 0 && column + 1 + word.len() > WIDTH {
            text.push('\n');
            column = 0;
        }
        if column == 0 {
            text.extend(std::iter::repeat_n(' ', INDENT));
            column = INDENT;
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.len();
    }
    text.push('\n');
}
