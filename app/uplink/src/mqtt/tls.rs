//! TLS 1.3 with client certificates: files to a client configuration, how long the certificates still hold, and what a
//! failed handshake means in words a person can act on.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use sightline_domain::UtcMicros;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Where the certificates lie. They are read for every connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// Certificates that sign the broker's, PEM.
    pub ca: PathBuf,
    /// The station's own certificate (chain) and its key, PEM.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// How a certificate becomes one of version 3: `openssl x509 -req` alone makes version 1.
const MAKE_V3: &str = "make it anew with extensions: openssl x509 -req … -extfile v3.ext, where v3.ext has a line basicConstraints=CA:FALSE and, for a broker, subjectAltName=DNS:its.name (docs/mes.md)";

/// What is wrong with a certificate file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not readable, or not PEM.
    #[error("mqtt.tls.{field}: expected PEM at {path}, found: {source}; correct the file or the field", path = path.display())]
    Pem {
        /// Which field of the configuration.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rustls::pki_types::pem::Error,
    },
    /// No certificate in it.
    #[error("mqtt.tls.{field}: expected a certificate in {path}, found none", path = path.display())]
    Empty {
        /// Which field of the configuration.
        field: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A certificate that cannot be read.
    #[error("mqtt.tls.{field}: expected an X.509 certificate in {path}: {what}", path = path.display())]
    Unreadable {
        /// Which field of the configuration.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// A certificate of an older version than TLS uses today.
    #[error("mqtt.tls.{field}: expected an X.509 certificate of version 3, found version {found} in {path}; {MAKE_V3}", path = path.display())]
    Version {
        /// Which field of the configuration.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// Its version, from 1.
        found: u32,
    },
    /// Key and certificate do not belong together, or cannot be used.
    #[error(
        "mqtt.tls.cert_file and key_file: {source}; write the key that belongs to the certificate"
    )]
    Pair {
        /// Why not.
        source: rustls::Error,
    },
}

/// How long a certificate holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Which field of the configuration.
    pub field: &'static str,
    /// The file.
    pub path: PathBuf,
    /// Its end.
    pub not_after: UtcMicros,
}

impl TlsFiles {
    /// The client's configuration as the files are now.
    pub(crate) fn read(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates("ca_file", &self.ca)? {
            roots.add(certificate).map_err(|e| TlsError::Unreadable {
                field: "ca_file",
                path: self.ca.clone(),
                what: e.to_string(),
            })?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|source| TlsError::Pair { source })?
            .with_root_certificates(roots);
        let Some((cert, key)) = &self.own else {
            return Ok(Arc::new(builder.with_no_client_auth()));
        };
        let chain = certificates("cert_file", cert)?;
        of_version_3("cert_file", cert, &chain)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::Pem {
            field: "key_file",
            path: key.clone(),
            source,
        })?;
        builder
            .with_client_auth_cert(chain, key)
            .map(Arc::new)
            .map_err(|source| TlsError::Pair { source })
    }

    /// How long the first certificate of each file holds.
    pub(crate) fn validities(&self) -> Result<Vec<Validity>, TlsError> {
        let own = self.own.as_ref().map(|(cert, _)| ("cert_file", cert));
        let files = own.into_iter().chain([("ca_file", &self.ca)]);
        files.map(|(field, path)| validity(field, path)).collect()
    }

    /// Changes whenever a file does: when it was written, and how long it is.
    pub(crate) fn fingerprint(&self) -> Vec<Option<(std::time::SystemTime, u64)>> {
        let own = self.own.iter().flat_map(|(cert, key)| [cert, key]);
        let stamp = |path: &PathBuf| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        own.chain([&self.ca]).map(stamp).collect()
    }
}

fn certificates(
    field: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |source| TlsError::Pem {
        field,
        path: path.into(),
        source,
    };
    let all: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(wrong)?
        .collect::<Result<_, _>>()
        .map_err(wrong)?;
    if all.is_empty() {
        return Err(TlsError::Empty {
            field,
            path: path.into(),
        });
    }
    Ok(all)
}

/// Every certificate is of version 3.
fn of_version_3(
    field: &'static str,
    path: &Path,
    chain: &[CertificateDer<'static>],
) -> Result<(), TlsError> {
    for certificate in chain {
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
            continue;
        };
        let found = parsed.version().0 + 1;
        if found != 3 {
            return Err(TlsError::Version {
                field,
                path: path.into(),
                found,
            });
        }
    }
    Ok(())
}

fn validity(field: &'static str, path: &Path) -> Result<Validity, TlsError> {
    let chain = certificates(field, path)?;
    let (_, parsed) = X509Certificate::from_der(&chain[0]).map_err(|e| TlsError::Unreadable {
        field,
        path: path.into(),
        what: e.to_string(),
    })?;
    Ok(Validity {
        field,
        path: path.into(),
        not_after: UtcMicros(parsed.validity().not_after.timestamp() * 1_000_000),
    })
}

/// What a failed handshake was about, if it was about certificates.
pub(crate) fn explain(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(|io| io.get_ref())
            .map(|inner| inner as &(dyn Error + 'static));
        let found = [Some(error), inner]
            .into_iter()
            .flatten()
            .find_map(|e| e.downcast_ref::<rustls::Error>());
        if let Some(found) = found {
            return Some(in_words(found));
        }
        next = error.source();
    }
    None
}

fn in_words(error: &rustls::Error) -> String {
    use AlertDescription as Alert;
    use CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => format!(
                "the broker's certificate has expired ({bad}); renew it at the broker, and check this box's clock"
            ),
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => format!(
                "the broker's certificate is not valid yet ({bad}); check the clocks of box and broker"
            ),
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => format!(
                "the broker's certificate is for another name ({bad}); write the name it was made for in mqtt.broker"
            ),
            Bad::UnknownIssuer | Bad::BadSignature => {
                "the broker's certificate is not signed by mqtt.tls.ca_file; write the file of the authority that signed it".into()
            }
            // The verifier's own error has no other name here.
            Bad::Other(other) if format!("{other:?}").contains("UnsupportedCertVersion") => format!(
                "the broker's certificate is not of X.509 version 3; {MAKE_V3}"
            ),
            _ => format!("the broker's certificate is not good: {bad}"),
        },
        rustls::Error::AlertReceived(alert) => match alert {
            Alert::CertificateExpired => {
                "the broker says that this station's certificate has expired; renew mqtt.tls.cert_file".into()
            }
            Alert::CertificateRequired | Alert::NoCertificate | Alert::HandshakeFailure => {
                "the broker asks for a client certificate that it can use; write mqtt.tls.cert_file and key_file".into()
            }
            Alert::UnknownCA | Alert::BadCertificate | Alert::CertificateUnknown => format!(
                "the broker does not trust this station's certificate ({alert:?}); have it signed by the authority the broker knows"
            ),
            Alert::ProtocolVersion => {
                "the broker does not speak TLS 1.3; allow it there".into()
            }
            _ => format!("the broker ended the handshake: {alert:?}"),
        },
        rustls::Error::PeerIncompatible(_) => {
            format!("the broker does not speak TLS 1.3 as needed: {error}")
        }
        _ => format!("TLS: {error}"),
    }
}
