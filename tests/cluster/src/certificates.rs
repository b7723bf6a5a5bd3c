//! Who is who in a cluster: an authority that lives for one run, and what it signs.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};

/// A certificate with its key, as PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// The files of a key and of what may be known of it: a certificate or the public key.
pub(crate) struct Files {
    pub(crate) public: String,
    pub(crate) key: String,
}

/// The authority that all parts of a cluster trust.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    /// Creates an authority that keeps its files in the folder.
    pub(crate) fn new(folder: &Path) -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        name(&mut params, "angzarr-tests", None);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let folder = folder.to_owned();
        fs::write(folder.join("ca.crt"), issuer.pem()).unwrap();
        Ok(Self { issuer, folder })
    }

    /// The certificate of the authority, as PEM.
    pub(crate) fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// The file with the certificate of the authority.
    pub(crate) fn file(&self) -> String {
        self.path("ca.crt")
    }

    /// A server that is reached by the names, host names or addresses.
    pub(crate) fn server(&self, file: &str, names: &[&str]) -> Result<Files, rcgen::Error> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        name(&mut params, file, None);
        let identity = self.sign(params)?;
        Ok(self.keep(file, &identity))
    }

    /// A client with the name of a user and a group.
    pub(crate) fn client(&self, user: &str, group: Option<&str>) -> Result<Identity, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        name(&mut params, user, group);
        self.sign(params)
    }

    /// A pair of keys that signs tokens and verifies them.
    pub(crate) fn tokens(&self) -> Result<Files, rcgen::Error> {
        let key = KeyPair::generate()?;
        Ok(self.write("tokens", &key.public_key_pem(), &key.serialize_pem()))
    }

    /// Writes an identity to files with this name.
    pub(crate) fn keep(&self, name: &str, identity: &Identity) -> Files {
        self.write(name, &identity.certificate, &identity.key)
    }

    fn sign(&self, params: CertificateParams) -> Result<Identity, rcgen::Error> {
        let key = KeyPair::generate()?;
        Ok(Identity {
            certificate: params.signed_by(&key, &self.issuer)?.pem(),
            key: key.serialize_pem(),
        })
    }

    fn write(&self, name: &str, public: &str, key: &str) -> Files {
        let files = Files {
            public: self.path(&format!("{name}.crt")),
            key: self.path(&format!("{name}.key")),
        };
        fs::write(&files.public, public).unwrap();
        fs::write(&files.key, key).unwrap();
        files
    }

    fn path(&self, file: &str) -> String {
        self.folder.join(file).to_str().unwrap().to_owned()
    }
}

fn name(params: &mut CertificateParams, user: &str, group: Option<&str>) {
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, user);
    if let Some(group) = group {
        params
            .distinguished_name
            .push(DnType::OrganizationName, group);
    }
}
