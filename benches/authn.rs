//! What it costs to know whose a token is: one that was found good a moment ago, a static one, and
//! one whose signature must be verified.
//!
//! `cargo bench --bench authn`

use kubering::authn::jwt::Token;
use kubering::authn::sign::Signer;
use kubering::authn::{Identity, Notes, TokenCache, TokenFile};
use kubering::base::clock;
use kubering::http::HeaderText;
use kubering::request::{Context, User};
use ring::digest::{SHA256, digest};
use serde_json::json;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tokens that the cache holds meanwhile.
const TOKENS: usize = 5_000;
/// Rounds that are timed; the median is printed.
const ROUNDS: usize = 15;

fn main() {
    let tiny = std::env::args().any(|argument| argument == "--test");
    let times = if tiny { 10 } else { 20_000 };
    let pair = rcgen::KeyPair::generate().expect("a key");
    let signer = Signer::of_pem(pair.serialize_pem().as_bytes()).expect("a signer");
    let claims = json!({
        "iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:default:robot",
        "aud": ["https://kubernetes.default.svc"], "exp": 4_102_444_800_i64,
        "jti": "8b1d0c6a-9d0c-4b7e-8f5b-2f8c6f0d7a11",
    });
    let text = signer.sign(&claims).expect("random bytes");
    let key = |text: &str| -> [u8; 32] {
        digest(&SHA256, text.as_bytes()).as_ref().try_into().expect("32 bytes")
    };
    let user =
        Rc::new(User { name: "system:serviceaccount:default:robot".into(), ..User::default() });

    let mut cache = TokenCache::default();
    let now = clock::now();
    for at in 0..TOKENS {
        let key = key(&format!("token {at}"));
        cache.put(key, now, Identity::of(Rc::clone(&user)), Notes::default());
    }
    cache.put(key(&text), now, Identity::of(Rc::clone(&user)), Notes::default());
    report("cached token", times, || {
        let found = cache.get(&key(&text), now).map(|(identity, _)| Rc::clone(&identity.user));
        let context = Context::new(found.expect("it is kept"), HeaderText::default());
        black_box(context);
    });

    let file = TokenFile::parse("secret,ann,1,\"dev,ops\"\n").expect("a token file");
    report("static token", times, || {
        black_box(file.user(&key("secret")).map(Rc::clone).expect("it is listed"));
    });

    report("signature, ES256", times / 10, || {
        let token = Token::parse(&text).expect("a token");
        assert!(token.is_signed_by(signer.public()));
    });
}

/// Prints the median over the rounds of what one call takes.
fn report(what: &str, times: usize, mut call: impl FnMut()) {
    let mut rounds: Vec<Duration> = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        (0..times.max(1)).for_each(|_| call());
        rounds.push(begun.elapsed());
    }
    rounds.sort_unstable();
    let nanos = rounds[ROUNDS / 2].as_nanos() as f64 / times.max(1) as f64;
    println!("{what:<20} {nanos:>10.0} ns");
}
