//! Why tokens are refused.

/// Why a token is refused. Shows nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// It is no token, or its signature is wrong.
    #[error("invalid token: it is malformed, or its signature is not that of its issuer")]
    Invalid,
    /// No issuer of the access file has made it.
    #[error("invalid token: its issuer is not one of this server's")]
    Issuer,
    /// It does not name its issuer.
    #[error(
        "invalid token: it has no claim `iss`, or one that is no text, so its issuer is not known"
    )]
    IssuerClaim,
    /// It is for another service.
    #[error("invalid token: its audience is not that of this server")]
    Audience,
    /// Its time is over, or has not come.
    #[error("invalid token: it has expired, or is not valid yet")]
    Time,
    /// A claim is missing.
    #[error("invalid token: it needs the claims `iss`, `aud`, `exp` and `sub`")]
    Claims,
    /// A claim is in it twice: which of its values counts would differ from reader to reader.
    #[error("invalid token: it has a claim twice, or a name within a claim")]
    RepeatedClaim,
    /// Its subject cannot name a caller in logs: names that are cut or cleaned could be those of others.
    #[error(
        "invalid token: its claim `sub` names the caller, and must be a text of 1 to 255 characters without control characters"
    )]
    Subject,
    /// Its algorithm is not one of the issuer's.
    #[error("invalid token: its algorithm is not one that this server accepts of its issuer")]
    Algorithm,
    /// The issuer's key set does not have its key.
    #[error("invalid token: its key is not among those of its issuer")]
    Key,
    /// The issuer's keys have not been fetched, or are too old.
    #[error(
        "the keys of the token's issuer are not there yet: try again; the server's log says why they cannot be fetched"
    )]
    NotFetched,
    /// The issuer's keys are being fetched because this token has another one.
    #[error(
        "the key of the token is not known yet, and the keys of its issuer are being fetched: try again"
    )]
    Fetching,
    /// It gives its caller no role.
    #[error("the token is valid, but gives its caller no role of this server")]
    Roles,
}
