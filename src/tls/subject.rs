//! Whom the certificate of a client names.

use std::sync::Arc;

use clap::ValueEnum;
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// Where a certificate names its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NamedBy {
    /// Its subject alternative name.
    San,
    /// Its subject's common name.
    Cn,
}

/// The user that a verified certificate names, or why it names none. Whoever may sign certificates
/// decides who calls: `root` may be named like anybody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified(pub Result<Arc<str>, &'static str>);

impl NamedBy {
    /// Whom a certificate names, letter by letter as the user is called.
    ///
    /// INVARIANT: a certificate names one user or none; nobody is chosen among several. With
    /// [`NamedBy::San`] it has one subject alternative name, of whatever kind, and this is a DNS
    /// name, an email address or a URI; with [`NamedBy::Cn`] its subject has one common name.
    /// Defended by the tests below and `tests/it/tls/users.rs`.
    pub fn user(self, certificate: &CertificateDer<'_>) -> Certified {
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
            return Certified(Err("auth check failure, the client certificate cannot be read"));
        };
        Certified(match self {
            Self::San => alternative_name(&certificate),
            Self::Cn => common_name(&certificate),
        })
    }
}

fn alternative_name(certificate: &X509Certificate<'_>) -> Result<Arc<str>, &'static str> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    match names {
        [GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name)] => {
            Ok(Arc::from(*name))
        }
        [] | [_] => Err("auth check failure, the client certificate names no user: it has no \
                         subject alternative name that is a DNS name, an email address or a URI"),
        _ => Err("auth check failure, the client certificate names no user: it has more than one \
                  subject alternative name"),
    }
}

fn common_name(certificate: &X509Certificate<'_>) -> Result<Arc<str>, &'static str> {
    let mut names = certificate.subject().iter_common_name();
    match (names.next().map(|name| name.as_str()), names.next()) {
        (Some(Ok(name)), None) => Ok(Arc::from(name)),
        (_, None) => Err("auth check failure, the client certificate names no user: its subject \
                          has no common name that is text"),
        (_, Some(_)) => Err("auth check failure, the client certificate names no user: its \
                             subject has more than one common name"),
    }
}

/// The moment after which the certificate holds no more, in seconds since 1970; none if it cannot be
/// read.
pub(super) fn expiry(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    use super::*;

    fn certificate(common: Option<&str>, alternative: Vec<SanType>) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = common {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.subject_alt_names = alternative;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn user(by: NamedBy, certificate: &CertificateDer<'_>) -> Result<String, &'static str> {
        by.user(certificate).0.map(|name| name.to_string())
    }

    #[test]
    fn one_alternative_name_names_the_user() {
        let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
        let email = || SanType::Rfc822Name("a@b.c".try_into().unwrap());
        let address = || SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let uri = SanType::URI("spiffe://a/b".try_into().unwrap());
        for (names, named) in [
            (vec![dns("a.b-c_d")], Some("a.b-c_d")),
            (vec![dns("A")], Some("A")),
            (vec![email()], Some("a@b.c")),
            (vec![uri], Some("spiffe://a/b")),
            (vec![], None),
            (vec![address()], None),
            (vec![dns("a"), dns("b")], None),
            (vec![dns("a"), dns("a")], None),
            (vec![dns("a"), address()], None),
            (vec![address(), email()], None),
        ] {
            let certificate = certificate(Some("common"), names);
            assert_eq!(user(NamedBy::San, &certificate).ok().as_deref(), named);
        }
    }

    #[test]
    fn one_common_name_names_the_user() {
        let name = || vec![SanType::DnsName("dns".try_into().unwrap())];
        let named = certificate(Some("alice"), name());
        assert_eq!(user(NamedBy::Cn, &named).as_deref(), Ok("alice"));
        assert!(user(NamedBy::Cn, &certificate(None, name())).unwrap_err().contains("no common"));
        // rcgen writes each kind once: the second takes the place of a country, whose OID is as long.
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "alice");
        params.distinguished_name.push(DnType::OrganizationName, "bob");
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let mut der = made.der().to_vec();
        for at in 0..der.len() - 3 {
            if der[at..].starts_with(&[0x55, 4, 10]) {
                der[at + 2] = 3;
            }
        }
        let two = CertificateDer::from(der);
        assert!(user(NamedBy::Cn, &two).unwrap_err().contains("more than one common name"));
    }

    #[test]
    fn what_is_no_certificate_names_nobody() {
        for by in [NamedBy::San, NamedBy::Cn] {
            assert!(user(by, &CertificateDer::from(vec![1, 2, 3])).is_err());
        }
        assert_eq!(expiry(&CertificateDer::from(vec![1, 2, 3])), None);
    }
}
