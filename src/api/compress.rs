//! Answers over 128 KiB are compressed for clients that take gzip
//! (`endpoints/handlers/responsewriters`, gate APIResponseCompression).

use super::answer::Answer;
use crate::base::limits::GZIP_BYTES_MIN;
use crate::codec::gzip::{Gzip, is_accepted};
use crate::http::Body;
use bytes::Bytes;
use futures_lite::StreamExt as _;

/// Compresses the body if it is long enough and may be.
pub fn compress(mut answer: Answer, accept_encoding: &str) -> Answer {
    if answer.streams || answer.code != 200 || !is_accepted(accept_encoding) {
        return answer;
    }
    if answer.body.length().is_some_and(|length| length <= GZIP_BYTES_MIN as u64) {
        return answer;
    }
    answer.headers.push(("content-encoding", "gzip".into()));
    answer.headers.push(("vary", "Accept-Encoding".into()));
    let pieces = answer.body.into_stream();
    let state = (pieces, Some(Gzip::default()));
    let packed = futures_lite::stream::unfold(state, |(mut pieces, gzip)| async move {
        let mut gzip = gzip?;
        loop {
            let Some(piece) = pieces.next().await else {
                return Some((Bytes::from(gzip.finish()), (pieces, None)));
            };
            let packed = gzip.push(&piece);
            if !packed.is_empty() {
                return Some((Bytes::from(packed), (pieces, Some(gzip))));
            }
        }
    });
    answer.body = Body::stream(packed);
    answer
}
