//! Which node ports a Service gets (`initNodePorts`, `updateNodePorts`).

use super::ports::PortBitmap;
use super::{FULL, ports_of};
use crate::object::Value;

/// What a dry run gives for the first node port that it is to find.
const DRY_PORT: i64 = 32_769;

#[derive(Debug, Clone, Copy)]
pub(super) enum Slot {
    HealthCheck,
    Port(usize),
}

/// The node ports that a Service asks for beside those it has: `(slot, port or 0, protocol, port)`.
pub(super) struct PortPlan {
    wanted: Vec<(Slot, i64, String, i64)>,
    held: Vec<u16>,
    is_update: bool,
}

/// Where node ports come from. A dry run takes none: it remembers what it gave, and invents
/// (`PortAllocationOperation`).
pub(super) struct Pool<'b> {
    pub(super) bitmap: &'b mut PortBitmap,
    pub(super) range: (u16, u16),
    pub(super) dry: Option<Vec<i64>>,
}

impl Pool<'_> {
    /// Takes `port`, or tells why not.
    fn take(&mut self, port: i64) -> Result<(), String> {
        let known = u16::try_from(port).ok().filter(|port| self.bitmap.contains(*port));
        let is_free = match &mut self.dry {
            Some(given) => {
                let is_free =
                    known.is_none_or(|port| !self.bitmap.is_taken(port)) && !given.contains(&port);
                given.push(port);
                is_free
            }
            None => match known {
                Some(port) => self.bitmap.take(port),
                None => {
                    let (first, last) = self.range;
                    let text =
                        "provided port is not in the valid range. The range of valid ports is";
                    return Err(format!("{text} {first}-{last}"));
                }
            },
        };
        if is_free { Ok(()) } else { Err("provided port is already allocated".into()) }
    }

    fn take_any(&mut self) -> Option<i64> {
        let Some(given) = &mut self.dry else { return self.bitmap.take_any().map(i64::from) };
        let port = given.iter().max().map_or(DRY_PORT, |last| (*last).max(0) + 1);
        given.push(port);
        Some(port)
    }
}

impl PortPlan {
    pub(super) fn of(object: &Value<'_>, old: Option<&Value<'_>>) -> Self {
        let kind = object.str_at(&["spec", "type"]);
        let balancer = kind == "LoadBalancer";
        let declined = object.at(&["spec", "allocateLoadBalancerNodePorts"]);
        let declined = balancer && declined.and_then(Value::as_bool) == Some(false);
        let exposes = kind == "NodePort" || balancer;
        let mut wanted = Vec::new();
        for (index, port) in object.list_at(&["spec", "ports"]).iter().enumerate() {
            let node_port = port.i64_at(&["nodePort"]).unwrap_or(0);
            if exposes && (node_port != 0 || !declined) {
                let protocol = port.str_at(&["protocol"]).to_owned();
                let number = port.i64_at(&["port"]).unwrap_or(0);
                wanted.push((Slot::Port(index), node_port, protocol, number));
            }
        }
        let local = object.str_at(&["spec", "externalTrafficPolicy"]) == "Local";
        if balancer && local {
            let port = object.i64_at(&["spec", "healthCheckNodePort"]).unwrap_or(0);
            wanted.push((Slot::HealthCheck, port, String::new(), 0));
        }
        let held = old.map(ports_of).unwrap_or_default();
        Self { wanted, held, is_update: old.is_some() }
    }

    fn holds(&self, port: i64) -> bool {
        u16::try_from(port).is_ok_and(|port| self.held.contains(&port))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wanted.iter().all(|(_, port, ..)| *port != 0 && self.holds(*port))
    }

    /// Takes every port of a new service: service ports of one number share a node port
    /// (`initNodePorts`), and of an updated one each port that it has not yet (`updateNodePorts`).
    pub(super) fn choose(&self, pool: &mut Pool<'_>) -> Result<Vec<(Slot, i64)>, Refusal> {
        // (service port, node port, protocol) of those settled so far.
        let mut settled: Vec<(i64, i64, &str)> = Vec::new();
        let mut chosen = Vec::new();
        for (at, (slot, asked, protocol, number)) in self.wanted.iter().enumerate() {
            let by_number = !self.is_update && matches!(slot, Slot::Port(_));
            let twin = settled.iter().find(|(own, ..)| by_number && own == number);
            let mut asked = *asked;
            if let Some((_, port, _)) = twin.filter(|_| asked == 0) {
                asked = *port;
                chosen.push((*slot, asked));
            } else if by_number && asked == 0 {
                // Another port of the number may say which.
                let later = self
                    .wanted
                    .iter()
                    .skip(at)
                    .filter(|(slot, _, _, own)| own == number && matches!(slot, Slot::Port(_)));
                asked = later.map(|(_, port, ..)| *port).find(|port| *port != 0).unwrap_or(0);
                if asked != 0 {
                    chosen.push((*slot, asked));
                }
            }
            if asked == 0 {
                let Some(port) = pool.take_any() else {
                    return Err(Refusal::Port(*slot, 0, FULL.into()));
                };
                chosen.push((*slot, port));
                asked = port;
            } else {
                let known = match twin {
                    Some((_, port, _)) => *port == asked,
                    None => {
                        self.is_update
                            && (self.holds(asked) || settled.iter().any(|(_, p, _)| *p == asked))
                    }
                };
                if !known {
                    pool.take(asked).map_err(|why| Refusal::Port(*slot, asked, why))?;
                }
            }
            let again = settled.iter().any(|(_, p, proto)| *p == asked && proto == protocol);
            if self.is_update && again {
                return Err(Refusal::Twice(format!("{{{protocol} {asked}}}")));
            }
            settled.push((*number, asked, protocol));
        }
        Ok(chosen)
    }
}

/// Why a service does not get its node ports.
pub(super) enum Refusal {
    /// This port cannot be had.
    Port(Slot, i64, String),
    /// Two ports of the service ask for the same.
    Twice(String),
}

#[cfg(test)]
mod tests {
    use super::{DRY_PORT, Pool, PortPlan, Slot};
    use crate::registry::network::ports::PortBitmap;
    use crate::registry::sample::tree;
    use bumpalo::Bump;
    use serde_json::json;

    fn chosen(spec: &serde_json::Value, dry: bool) -> Result<Vec<i64>, String> {
        let arena = Bump::new();
        let service = tree(&arena, &json!({ "spec": spec }));
        let mut bitmap = PortBitmap::new(30_000, 30_010);
        let dry = dry.then(Vec::new);
        let mut pool = Pool { bitmap: &mut bitmap, range: (30_000, 30_010), dry };
        match PortPlan::of(&service, None).choose(&mut pool) {
            Ok(chosen) => Ok(chosen.into_iter().map(|(_, port)| port).collect()),
            Err(super::Refusal::Port(Slot::Port(_), port, why)) => Err(format!("{port}: {why}")),
            Err(_) => Err(String::new()),
        }
    }

    #[test]
    fn a_dry_run_invents_ports_and_takes_any_that_is_asked_for() {
        let spec = json!({"type": "NodePort", "ports": [{"port": 1}, {"port": 2}]});
        assert_eq!(chosen(&spec, true), Ok(vec![DRY_PORT, DRY_PORT + 1]));
        let spec = json!({"type": "NodePort", "ports": [{"port": 1, "nodePort": 5}]});
        assert_eq!(chosen(&spec, true), Ok(Vec::new()));
        let why = "5: provided port is not in the valid range. The range of valid ports is \
                   30000-30010";
        assert_eq!(chosen(&spec, false), Err(why.to_owned()));
    }

    #[test]
    fn ports_of_one_number_share_a_node_port() {
        let ports = json!([{"port": 1, "protocol": "TCP"}, {"port": 1, "protocol": "UDP"}]);
        let found = chosen(&json!({"type": "NodePort", "ports": ports}), false).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found.first(), found.get(1));
    }
}
