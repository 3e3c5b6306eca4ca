//! What tokens of issuers mean, and what a configuration may not say.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const HEAD: &str = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n";

fn parse(body: &str) -> Result<AuthenticationConfig, String> {
    let taken = ["https://self".to_owned()];
    AuthenticationConfig::parse(format!("{HEAD}{body}").as_bytes(), &taken)
}

fn issuer(url: &str, username: &str, more: &str) -> String {
    format!(
        "jwt:\n- issuer: {{url: '{url}', audiences: [me]}}\n  claimMappings: {{username: \
         {{{username}}}, groups: {{claim: groups, prefix: 'g:'}}}}\n{more}"
    )
}

const NAME: &str = "claim: email, prefix: 'a:'";

fn user_by(config: &IssuerConfig, claims: &str) -> Result<User, String> {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let text = format!("{}.{}.{}", part(r#"{"alg":"RS256"}"#), part(claims), part("s"));
    let token = Token::parse(&text).unwrap();
    config.check(&token, 1000)?;
    config.user(&token)
}

#[test]
fn claims_name_the_user() {
    let more = "  claimValidationRules: [{claim: team, requiredValue: blue}]\n";
    let config = parse(&issuer("https://a", NAME, more)).unwrap().issuers.remove(0);
    let user = |claims: &str| user_by(&config, claims);
    let found =
        user(r#"{"aud":"me","exp":2000,"email":"x@y","groups":["a","b"],"team":"blue","jti":"7"}"#);
    let found = found.unwrap();
    assert_eq!(found.name, "a:x@y");
    assert_eq!(found.groups, ["g:a", "g:b"]);
    assert_eq!(found.extra[0].1, ["JTI=7"]);
    for (claims, expected) in [
        (r#"{"aud":"you","exp":2000}"#, r#"expected audience in ["me"] got ["you"]"#),
        (r#"{"aud":"me","exp":900}"#, "expired (Token Expiry: 1970-01-01 00:15:00 +0000 UTC)"),
        (r#"{"aud":"me"}"#, "expired"),
        (r#"{"aud":"me","exp":2000,"nbf":1400}"#, "before the nBf"),
        (r#"{"aud":"me","exp":2000,"email":"x"}"#, "required claim team not present"),
        (r#"{"aud":"me","exp":2000,"email":"x","team":"red"}"#, "value does not match"),
        (r#"{"aud":"me","exp":2000,"team":"blue"}"#, "claim not present"),
        (
            r#"{"aud":"me","exp":2000,"team":"blue","email":"x","email_verified":false}"#,
            "email not verified",
        ),
    ] {
        let error = user(claims).unwrap_err();
        assert!(error.contains(expected), "{claims}: {error}");
    }
}

#[test]
fn expressions_name_the_user_and_judge_him() {
    let more = "  claimValidationRules: [{expression: 'claims.exp - claims.iat < 100', message: \
                too long}]\n  userValidationRules: [{expression: \
                \"!user.username.startsWith('system:')\", message: reserved}]\n";
    let name = "expression: \"claims.who + '@' + claims.org.name\"";
    let config = parse(&issuer("https://a", name, more)).unwrap().issuers.remove(0);
    let user = |claims: &str| user_by(&config, claims);
    let claims = r#"{"aud":"me","exp":2000,"iat":1950,"who":"ann","org":{"name":"x"}}"#;
    assert_eq!(user(claims).unwrap().name, "ann@x");
    let error = user(&claims.replace("1950", "1000")).unwrap_err();
    assert!(error.ends_with("'claims.exp - claims.iat < 100' failed: too long"), "{error}");
    let error = user(&claims.replace("ann", "system:x")).unwrap_err();
    assert!(error.contains("failed: reserved"), "{error}");
    let error = user(&claims.replace("who", "whom")).unwrap_err();
    assert!(error.contains("error evaluating username claim expression"), "{error}");
}

#[test]
fn anonymous_paths_are_read() {
    let config = parse("anonymous: {enabled: true, conditions: [{path: /livez}]}\n").unwrap();
    assert_eq!(config.anonymous.unwrap().paths, ["/livez"]);
}

#[test]
fn mistakes_are_told_as_upstream_tells_them() {
    let rule =
        |rule: &str| issuer("https://a", NAME, &format!("  claimValidationRules: [{rule}]\n"));
    for (body, expected) in [
        (
            issuer("http://a", NAME, ""),
            "jwt[0].issuer.url: Invalid value: \"http://a\": URL scheme",
        ),
        (issuer("https://u:p@a", NAME, ""), "must not contain a username or password"),
        (issuer("https://self", NAME, ""), "disallowed issuers: [https://self]"),
        (issuer("https://a", "claim: sub", ""), "prefix: Required value: prefix is required"),
        (issuer("https://a", "", ""), "username: Required value: claim or expression is required"),
        (issuer("https://a", "expression: claims.email", ""), "claims.email_verified must be used"),
        (issuer("https://a", NAME, "  more: 1\n"), r#"unknown field "jwt[0].more""#),
        (rule("{expression: '1'}"), "Invalid value: \"1\": must evaluate to bool"),
        (rule("{expression: 'x.y'}"), "compilation failed: ERROR: <input>:1:1: undeclared"),
        (rule("{}"), "claimValidationRules[0]: Required value: claim or expression is required"),
        (
            "jwt:\n- issuer: {url: 'https://a'}\n".to_owned(),
            "audiences: Required value: at least one jwt[0].issuer.audiences is required",
        ),
        ("anonymous: {enabled: false, conditions: [{path: /x}]}\n".to_owned(), "enabled should be"),
    ] {
        let error = parse(&body).map(drop).unwrap_err();
        assert!(error.contains(expected), "{body}: {error}");
    }
}
