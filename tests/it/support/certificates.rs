//! A private CA, and what it signs.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// PEM files in a folder: `ca.pem`, and `server` and `client`, each as `.pem` and `.key`.
#[derive(Debug)]
pub(crate) struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    pub(crate) fn write(dir: &Path) -> Self {
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.distinguished_name.push(DnType::CommonName, "a private CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().unwrap();
        std::fs::write(dir.join("ca.pem"), ca.self_signed(&ca_key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(ca, ca_key);
        for (name, hosts) in
            [("server", vec!["localhost", "127.0.0.1"]), ("client", vec!["roadie"])]
        {
            let hosts: Vec<String> = hosts.into_iter().map(str::to_owned).collect();
            let key = KeyPair::generate().unwrap();
            let signed = CertificateParams::new(hosts).unwrap().signed_by(&key, &issuer).unwrap();
            std::fs::write(dir.join(format!("{name}.pem")), signed.pem()).unwrap();
            std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        Self { dir: dir.to_owned() }
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }
}
