//! The AuthenticationConfiguration (`apiserver.config.k8s.io`): issuers, and who may go without
//! credentials (`validation.ValidateAuthenticationConfiguration`).

use super::expression::{Expression, over_claims, over_user};
use super::{IssuerConfig, Mapping, Rule};
use crate::authn::Anonymous;
use crate::codec::settings::{self, Kind, Shape};
use crate::object::Value;
use crate::object::field::{FieldError, Path};
use bumpalo::Bump;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Algorithms that are taken from issuers of a file (`oidc.AllValidSigningAlgorithms`).
const ALGORITHMS: [&str; 9] =
    ["ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];
/// Issuers of one file.
const ISSUERS_MAX: usize = 64;

const MAPPING: &[(&str, Shape)] =
    &[("claim", Shape::Text), ("prefix", Shape::Text), ("expression", Shape::Text)];
const ISSUER: &[(&str, Shape)] = &[
    ("url", Shape::Text),
    ("discoveryURL", Shape::Text),
    ("certificateAuthority", Shape::Text),
    ("audiences", Shape::List(&Shape::Text)),
    ("audienceMatchPolicy", Shape::Text),
    ("egressSelectorType", Shape::Text),
];
const CLAIM_RULE: &[(&str, Shape)] = &[
    ("claim", Shape::Text),
    ("requiredValue", Shape::Text),
    ("expression", Shape::Text),
    ("message", Shape::Text),
];
const MAPPINGS: &[(&str, Shape)] = &[
    ("username", Shape::Object(MAPPING)),
    ("groups", Shape::Object(MAPPING)),
    ("uid", Shape::Object(&[("claim", Shape::Text), ("expression", Shape::Text)])),
    (
        "extra",
        Shape::List(&Shape::Object(&[("key", Shape::Text), ("valueExpression", Shape::Text)])),
    ),
];
const JWT: &[(&str, Shape)] = &[
    ("issuer", Shape::Object(ISSUER)),
    ("claimValidationRules", Shape::List(&Shape::Object(CLAIM_RULE))),
    ("claimMappings", Shape::Object(MAPPINGS)),
    (
        "userValidationRules",
        Shape::List(&Shape::Object(&[("expression", Shape::Text), ("message", Shape::Text)])),
    ),
];
const KIND: Kind = Kind {
    group: "apiserver.config.k8s.io",
    versions: &["v1", "v1beta1", "v1alpha1"],
    kind: "AuthenticationConfiguration",
    fields: &[
        ("jwt", Shape::List(&Shape::Object(JWT))),
        (
            "anonymous",
            Shape::Object(&[
                ("enabled", Shape::Bool),
                ("conditions", Shape::List(&Shape::Object(&[("path", Shape::Text)]))),
            ]),
        ),
    ],
};

/// What a file says.
#[derive(Debug, Clone, Default)]
pub struct AuthenticationConfig {
    /// Issuers of tokens.
    pub issuers: Vec<IssuerConfig>,
    /// Who may go without credentials; the flag says if the file does not.
    pub anonymous: Option<Anonymous>,
}

/// The issuer of `--oidc-*`.
#[derive(Debug, Clone, Default)]
pub struct FlagIssuer {
    /// Its URL.
    pub url: String,
    /// The audience.
    pub client_id: String,
    /// CAs, PEM.
    pub ca: Option<Vec<u8>>,
    /// The claim with the user's name, and what is put before.
    pub username: (String, String),
    /// The claim with the groups, and what is put before.
    pub groups: Option<(String, String)>,
    /// Claims and the values that they must have.
    pub required: Vec<(String, String)>,
    /// Algorithms that are taken.
    pub algorithms: Vec<String>,
}

impl From<FlagIssuer> for IssuerConfig {
    fn from(flags: FlagIssuer) -> Self {
        let claim = |(claim, prefix)| Mapping::Claim(claim, prefix);
        Self {
            url: flags.url,
            discovery_url: String::new(),
            ca: flags.ca,
            audiences: vec![flags.client_id],
            algorithms: flags.algorithms,
            username: claim(flags.username),
            groups: flags.groups.map(claim),
            uid: None,
            extra: Vec::new(),
            required: flags.required,
            claim_rules: Vec::new(),
            user_rules: Vec::new(),
        }
    }
}

impl AuthenticationConfig {
    /// Reads the file, YAML or JSON. `taken` are issuers of service account tokens, which no other
    /// may be.
    ///
    /// # Errors
    /// In upstream's words; several mistakes at once as a list.
    pub fn parse(source: &[u8], taken: &[String]) -> Result<Self, String> {
        if source.is_empty() {
            return Err("empty config data".to_owned());
        }
        let arena = Bump::new();
        let file = settings::decode(source, &KIND, &arena)?;
        let mut check = Check { errors: Vec::new(), taken, email: false, verified: false };
        let jwt = Path::root("jwt");
        let listed = file.list_at(&["jwt"]);
        if listed.len() > ISSUERS_MAX {
            return Err(FieldError::too_many(&jwt, listed.len(), ISSUERS_MAX).to_string());
        }
        let mut issuers: Vec<IssuerConfig> = Vec::new();
        for (at, one) in listed.iter().enumerate() {
            let at = jwt.index(at);
            let issuer = check.authenticator(one, &at);
            let (of, urls) = (at.child("issuer"), |one: &IssuerConfig| one.url == issuer.url);
            if issuers.iter().any(urls) {
                check.errors.push(FieldError::duplicate(&of.child("url"), &issuer.url));
            }
            let url = &issuer.discovery_url;
            if !url.is_empty() && issuers.iter().any(|known| known.discovery_url == *url) {
                check.errors.push(FieldError::duplicate(&of.child("discoveryURL"), url));
            }
            issuers.push(issuer);
        }
        let anonymous = check.anonymous(&file);
        let texts: Vec<String> = check.errors.iter().map(ToString::to_string).collect();
        match texts.as_slice() {
            [] => Ok(Self { issuers, anonymous }),
            [one] => Err(one.clone()),
            several => Err(format!("[{}]", several.join(", "))),
        }
    }
}

struct Check<'c> {
    errors: Vec<FieldError>,
    taken: &'c [String],
    /// The user's name comes from the claim `email`, and something looks at `email_verified`.
    email: bool,
    verified: bool,
}

impl Check<'_> {
    fn anonymous(&mut self, file: &Value<'_>) -> Option<Anonymous> {
        let value = file.get("anonymous").filter(|value| !value.is_null())?;
        let enabled = value.bool_at(&["enabled"]);
        let conditions = value.list_at(&["conditions"]);
        if !enabled && !conditions.is_empty() {
            let text = "enabled should be set to true when conditions are defined";
            let shown = value.get("conditions").unwrap_or(&Value::Null);
            let path = Path::root("anonymous");
            self.errors.push(FieldError::invalid(&path.child("conditions"), shown, text));
        }
        let paths = conditions.iter().map(|condition| condition.str_at(&["path"]).to_owned());
        Some(Anonymous { enabled, paths: paths.collect() })
    }

    fn authenticator(&mut self, one: &Value<'_>, path: &Path<'_>) -> IssuerConfig {
        (self.email, self.verified) = (false, false);
        let null = Value::Null;
        let issuer = one.get("issuer").unwrap_or(&null);
        let of = path.child("issuer");
        let url = issuer.str_at(&["url"]).to_owned();
        if url.is_empty() {
            self.errors.push(FieldError::required(&of.child("url"), ""));
        } else {
            self.url(&url, &of.child("url"), true);
        }
        let discovery_url = issuer.str_at(&["discoveryURL"]).to_owned();
        if !discovery_url.is_empty() {
            let at = of.child("discoveryURL");
            let bare = |text: &str| text.trim_end_matches('/').to_owned();
            if !url.is_empty() && bare(&url) == bare(&discovery_url) {
                let text = "discoveryURL must be different from URL";
                self.errors.push(FieldError::invalid(&at, &discovery_url, text));
            }
            self.url(&discovery_url, &at, false);
        }
        let audiences = self.audiences(issuer, &of);
        let ca = self.authority(issuer.str_at(&["certificateAuthority"]), &of);
        match issuer.str_at(&["egressSelectorType"]) {
            "" => {}
            known @ ("controlplane" | "cluster") => {
                let text = "egress selectors are not built in this version of kubering";
                self.errors.push(FieldError::invalid(&of.child("egressSelectorType"), known, text));
            }
            other => {
                let text = "egress selector must be either controlplane or cluster";
                self.errors.push(FieldError::invalid(&of.child("egressSelectorType"), other, text));
            }
        }
        let (required, claim_rules) = self.claim_rules(one, &path.child("claimValidationRules"));
        let mappings = one.get("claimMappings").unwrap_or(&null);
        let of = path.child("claimMappings");
        let username = self.username(mappings, &of.child("username"));
        let groups = self.mapping(mappings, &of.child("groups"), "groups");
        let uid = self.mapping(mappings, &of.child("uid"), "uid");
        let extra = self.extra(mappings, &of.child("extra"));
        if self.email && !self.verified {
            let at = of.child("username.expression");
            let text = "claims.email_verified must be used in claimMappings.username.expression or \
                        claimMappings.extra[*].valueExpression or \
                        claimValidationRules[*].expression when claims.email is used in \
                        claimMappings.username.expression";
            let shown = mappings.str_at(&["username", "expression"]);
            self.errors.push(FieldError::invalid(&at, shown, text));
        }
        let user_rules = self.user_rules(one, &path.child("userValidationRules"));
        IssuerConfig {
            url,
            discovery_url,
            ca,
            audiences,
            algorithms: ALGORITHMS.map(str::to_owned).to_vec(),
            username,
            groups,
            uid,
            extra,
            required,
            claim_rules,
            user_rules,
        }
    }

    fn url(&mut self, url: &str, path: &Path<'_>, is_issuer: bool) {
        if is_issuer && self.taken.iter().any(|taken| taken == url) {
            let mut taken = self.taken.to_vec();
            taken.sort_unstable();
            let shown = taken.join(" ");
            let text = format!("URL must not overlap with disallowed issuers: [{shown}]");
            self.errors.push(FieldError::invalid(path, url, &text));
        }
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (before, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let query = before.split_once('?').map_or("", |(_, query)| query);
        for (wrong, text) in [
            (scheme != "https", "URL scheme must be https"),
            (host.contains('@'), "URL must not contain a username or password"),
            (!query.is_empty(), "URL must not contain a query"),
            (!fragment.is_empty(), "URL must not contain a fragment"),
        ] {
            if wrong {
                self.errors.push(FieldError::invalid(path, url, text));
            }
        }
    }

    fn audiences(&mut self, issuer: &Value<'_>, of: &Path<'_>) -> Vec<String> {
        let path = of.child("audiences");
        let mut audiences: Vec<String> = Vec::new();
        let listed = issuer.list_at(&["audiences"]);
        if listed.is_empty() {
            let text = format!("at least one {path} is required");
            self.errors.push(FieldError::required(&path, &text));
            return audiences;
        }
        for (at, audience) in listed.iter().filter_map(Value::as_str).enumerate() {
            if audience.is_empty() {
                self.errors.push(FieldError::required(&path.index(at), ""));
            }
            if audiences.iter().any(|known| known == audience) {
                self.errors.push(FieldError::duplicate(&path.index(at), audience));
            }
            audiences.push(audience.to_owned());
        }
        let policy = issuer.str_at(&["audienceMatchPolicy"]);
        let text = match (audiences.len(), policy) {
            (_, "MatchAny") | (1, "") => return audiences,
            (1, _) => "audienceMatchPolicy must be empty or MatchAny for single audience",
            _ => "audienceMatchPolicy must be MatchAny for multiple audiences",
        };
        self.errors.push(FieldError::invalid(&of.child("audienceMatchPolicy"), policy, text));
        audiences
    }

    fn authority(&mut self, pem: &str, of: &Path<'_>) -> Option<Vec<u8>> {
        if pem.is_empty() {
            return None;
        }
        let found = CertificateDer::pem_slice_iter(pem.as_bytes()).next();
        if !matches!(found, Some(Ok(_))) {
            let text = "data does not contain any valid RSA or ECDSA certificates";
            let at = of.child("certificateAuthority");
            self.errors.push(FieldError::invalid(&at, "<omitted>", text));
        }
        Some(pem.as_bytes().to_vec())
    }

    fn claim_rules(
        &mut self,
        one: &Value<'_>,
        path: &Path<'_>,
    ) -> (Vec<(String, String)>, Vec<Rule>) {
        let (mut required, mut rules): (Vec<(String, String)>, Vec<Rule>) = Default::default();
        for (at, rule) in one.list_at(&["claimValidationRules"]).iter().enumerate() {
            let at = path.index(at);
            let text = |name: &str| rule.str_at(&[name]);
            let (claim, expression) = (text("claim"), text("expression"));
            match (claim.is_empty(), expression.is_empty()) {
                (false, false) => {
                    let text = "claim and expression can't both be set";
                    self.errors.push(FieldError::invalid(&at, claim, text));
                }
                (true, true) => {
                    self.errors.push(FieldError::required(&at, "claim or expression is required"));
                }
                (false, true) => {
                    if !text("message").is_empty() {
                        let why = "may not be specified when claim is set";
                        let at = at.child("message");
                        self.errors.push(FieldError::invalid(&at, text("message"), why));
                    }
                    if required.iter().any(|(known, _)| known == claim) {
                        self.errors.push(FieldError::duplicate(&at.child("claim"), claim));
                    }
                    required.push((claim.to_owned(), text("requiredValue").to_owned()));
                }
                (true, false) => {
                    if !text("requiredValue").is_empty() {
                        let why = "may not be specified when expression is set";
                        let at = at.child("requiredValue");
                        self.errors.push(FieldError::invalid(&at, text("requiredValue"), why));
                    }
                    if let Some(rule) = self.rule(rule, &at, &rules, |t| over_claims(t, true)) {
                        self.sees(&rule.0);
                        rules.push(rule);
                    }
                }
            }
        }
        (required, rules)
    }

    fn user_rules(&mut self, one: &Value<'_>, path: &Path<'_>) -> Vec<Rule> {
        let mut rules = Vec::new();
        for (at, rule) in one.list_at(&["userValidationRules"]).iter().enumerate() {
            let at = path.index(at);
            if rule.str_at(&["expression"]).is_empty() {
                self.errors.push(FieldError::required(&at.child("expression"), ""));
            } else {
                rules.extend(self.rule(rule, &at, &rules, over_user));
            }
        }
        rules
    }

    fn rule(
        &mut self,
        rule: &Value<'_>,
        path: &Path<'_>,
        known: &[Rule],
        compile: impl Fn(&str) -> Result<Expression, String>,
    ) -> Option<Rule> {
        let (text, at) = (rule.str_at(&["expression"]), path.child("expression"));
        if known.iter().any(|(known, _)| known.text() == text) {
            self.errors.push(FieldError::duplicate(&at, text));
            return None;
        }
        let expression = self.compiled(text, &at, compile)?;
        Some((expression, rule.str_at(&["message"]).to_owned()))
    }

    fn compiled(
        &mut self,
        text: &str,
        path: &Path<'_>,
        compile: impl Fn(&str) -> Result<Expression, String>,
    ) -> Option<Expression> {
        compile(text).map_err(|why| self.errors.push(FieldError::invalid(path, text, &why))).ok()
    }

    /// Takes note of an expression that looks at `email_verified`.
    fn sees(&mut self, expression: &Expression) {
        let fields = expression.fields_of("claims");
        self.verified |= fields.is_none_or(|fields| fields.contains(&"email_verified"));
    }

    fn username(&mut self, mappings: &Value<'_>, path: &Path<'_>) -> Mapping {
        let mapping = self.mapping(mappings, path, "username");
        if let Some(Mapping::Expression(expression)) = &mapping {
            let fields = expression.fields_of("claims");
            self.email |= fields.is_some_and(|fields| fields.contains(&"email"));
            self.sees(expression);
        }
        let of = |name: &str| mappings.str_at(&["username", name]);
        if of("claim").is_empty() && of("expression").is_empty() {
            self.errors.push(FieldError::required(path, "claim or expression is required"));
        }
        mapping.unwrap_or_else(|| Mapping::Claim(String::new(), String::new()))
    }

    fn mapping(&mut self, mappings: &Value<'_>, path: &Path<'_>, name: &str) -> Option<Mapping> {
        let value = mappings.get(name)?;
        let (claim, expression) = (value.str_at(&["claim"]), value.str_at(&["expression"]));
        let prefix = value.get("prefix").and_then(Value::as_str);
        if !claim.is_empty() && !expression.is_empty() {
            let text = "claim and expression can't both be set";
            self.errors.push(FieldError::invalid(path, "", text));
            return None;
        }
        if !expression.is_empty() {
            if let Some(prefix) = prefix {
                let text = "may not be specified when expression is set";
                self.errors.push(FieldError::invalid(&path.child("prefix"), prefix, text));
            }
            let at = path.child("expression");
            let compiled = self.compiled(expression, &at, |text| over_claims(text, false));
            return compiled.map(Mapping::Expression);
        }
        if claim.is_empty() {
            return None;
        }
        if prefix.is_none() && name != "uid" {
            let text = "prefix is required when claim is set. It can be set to an empty string to \
                        disable prefixing";
            self.errors.push(FieldError::required(&path.child("prefix"), text));
        }
        Some(Mapping::Claim(claim.to_owned(), prefix.unwrap_or_default().to_owned()))
    }

    fn extra(&mut self, mappings: &Value<'_>, path: &Path<'_>) -> Vec<(String, Expression)> {
        let mut extra: Vec<(String, Expression)> = Vec::new();
        for (at, one) in mappings.list_at(&["extra"]).iter().enumerate() {
            let of = path.index(at);
            let (key, at) = (one.str_at(&["key"]), of.child("key"));
            let domain = key.split_once('/').map_or("", |(domain, _)| domain);
            if key.is_empty() {
                self.errors.push(FieldError::required(&at, ""));
            } else if domain.is_empty() {
                let text = "must be a domain-prefixed path (such as \"acme.io/foo\")";
                self.errors.push(FieldError::invalid(&at, key, text));
            }
            if key != key.to_lowercase() {
                self.errors.push(FieldError::invalid(&at, key, "must be lowercase"));
            }
            let reserved = |of: &str| domain == of || domain.ends_with(&format!(".{of}"));
            if reserved("kubernetes.io") || reserved("k8s.io") {
                let text = "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes \
                            use";
                self.errors.push(FieldError::invalid(&at, key, text));
            }
            if extra.iter().any(|(known, _)| known == key) {
                self.errors.push(FieldError::duplicate(&at, key));
                continue;
            }
            let (text, at) = (one.str_at(&["valueExpression"]), of.child("valueExpression"));
            if text.is_empty() {
                self.errors.push(FieldError::required(&at, ""));
            } else if let Some(found) = self.compiled(text, &at, |text| over_claims(text, false)) {
                self.sees(&found);
                extra.push((key.to_owned(), found));
            }
        }
        extra
    }
}
