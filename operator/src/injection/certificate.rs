//! A certificate of the webhook with its key: made, read, and served to whoever connects.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use tokio_rustls::rustls::crypto::ring::sign::any_supported_type;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// How far the clocks of two machines may differ.
const SKEW: Duration = Duration::from_secs(300);

/// A certificate that signs itself, and its key, as PEM. It is trusted by itself, so there is no authority whose key would have to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) public: String,
    pub(super) key: String,
}

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("make the certificate of the webhook")]
    Make(#[from] rcgen::Error),
    #[error("the certificate of the webhook cannot be read: {0}")]
    Read(String),
}

impl Certificate {
    /// Makes one for a host that is valid from now on.
    pub(super) fn new(host: &str, validity: Duration) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![host.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "angzarr-webhook");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let now = SystemTime::now();
        params.not_before = (now - SKEW).into();
        params.not_after = (now + validity).into();
        Ok(Self {
            public: params.self_signed(&key)?.pem(),
            key: key.serialize_pem(),
        })
    }

    /// Whether it is for a host, and less than two thirds of its time have passed.
    pub(super) fn is_fresh(&self, host: &str) -> bool {
        let Ok(der) = CertificateDer::from_pem_slice(self.public.as_bytes()) else {
            return false;
        };
        let Ok((_, parsed)) = X509Certificate::from_der(&der) else {
            return false;
        };
        let names = parsed.subject_alternative_name().ok().flatten();
        let mut names = names.into_iter().flat_map(|it| &it.value.general_names);
        let address = host.parse::<std::net::IpAddr>().ok();
        let is_host = |name: &GeneralName| match (name, address) {
            (GeneralName::DNSName(name), None) => *name == host,
            (GeneralName::IPAddress(bytes), Some(std::net::IpAddr::V4(address))) => {
                *bytes == address.octets()
            }
            (GeneralName::IPAddress(bytes), Some(std::net::IpAddr::V6(address))) => {
                *bytes == address.octets()
            }
            _ => false,
        };
        let skew = i64::try_from(SKEW.as_secs()).unwrap_or(0);
        let begin = parsed.validity().not_before.timestamp() + skew;
        let end = parsed.validity().not_after.timestamp();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |it| i64::try_from(it.as_secs()).unwrap_or(i64::MAX));
        names.any(is_host) && (now - begin) * 3 < (end - begin) * 2
    }

    fn served(&self) -> Result<CertifiedKey, Error> {
        let read = |error: &dyn std::fmt::Display| Error::Read(error.to_string());
        let public =
            CertificateDer::from_pem_slice(self.public.as_bytes()).map_err(|it| read(&it))?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(|it| read(&it))?;
        let key = any_supported_type(&key).map_err(|it| read(&it))?;
        let served = CertifiedKey::new(vec![public], key);
        served.keys_match().map_err(|it| read(&it))?;
        Ok(served)
    }
}

/// The certificate that is served now; until there is one, nobody can connect. Its clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Current(Arc<RwLock<Option<Arc<CertifiedKey>>>>);

impl Current {
    /// Serves a certificate from now on.
    pub(super) fn serve(&self, certificate: &Certificate) -> Result<(), Error> {
        let served = Arc::new(certificate.served()?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(served);
        Ok(())
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello) -> Option<Arc<CertifiedKey>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_fresh_for_its_host_in_the_first_two_thirds_of_its_time() {
        for host in ["hook.lake.svc", "127.0.0.1", "::1"] {
            let certificate = Certificate::new(host, Duration::from_secs(90)).unwrap();
            assert!(certificate.is_fresh(host), "{host}");
            assert!(!certificate.is_fresh("other.lake.svc"));
            assert!(certificate.served().is_ok());
        }
        let passed = Certificate::new("reed", Duration::ZERO).unwrap();
        assert!(!passed.is_fresh("reed"));
    }

    #[test]
    fn what_is_no_certificate_is_neither_fresh_nor_served() {
        let mut certificate = Certificate::new("reed", Duration::from_secs(90)).unwrap();
        certificate.key = Certificate::new("reed", Duration::from_secs(90))
            .unwrap()
            .key;
        assert!(certificate.served().is_err());
        certificate.public = "reed".to_owned();
        assert!(!certificate.is_fresh("reed") && certificate.served().is_err());
    }
}
