//! A certificate that signs itself, and its key, for programs that do not start without: a Secret's own are not to
//! be read, and are not needed to see what a program does.

use core::net::IpAddr;

use anyhow::{Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

/// Both, as PEM. The certificate is its own authority, so that whoever trusts it as one takes it for a server's and
/// for a client's.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// From an hour before until so long after.
const BEFORE: SignedDuration = SignedDuration::from_hours(1);
const AFTER: SignedDuration = SignedDuration::from_hours(24 * 30);

/// Tags of DER (X.690).
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const UTF8: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// ecdsa-with-SHA256, 1.2.840.10045.4.3.2 (RFC 5758)
const SIGNED_BY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
/// id-ecPublicKey, 1.2.840.10045.2.1, and secp256r1, 1.2.840.10045.3.1.7 (RFC 5480)
const EC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// commonName, 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
/// Extensions, 2.5.29.x (RFC 5280, section 4.2.1): keyUsage, subjectAltName, basicConstraints, extKeyUsage
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const ALT_NAME: &[u8] = &[0x55, 0x1d, 17];
const CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const EXT_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
/// serverAuth and clientAuth, 1.3.6.1.5.5.7.3.1 and .2
const SERVER: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const CLIENT: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

/// Makes one for these names of hosts, and for the loopback addresses.
pub(super) fn make(name: &str, hosts: &[String]) -> Result<Pair> {
    let random = SystemRandom::new();
    let failed = |_| anyhow!("no key for a certificate can be made");
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).map_err(failed)?;
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random)
            .map_err(|error| anyhow!("no key for a certificate can be made: {error}"))?;
    let mut serial = [0; 16];
    random.fill(&mut serial).map_err(failed)?;
    // Neither negative nor with a zero in front.
    serial[0] = serial[0] & 0x3f | 0x40;
    let now = Timestamp::now();
    let time = |at: Timestamp| {
        let at = at.to_zoned(TimeZone::UTC).strftime("%y%m%d%H%M%SZ").to_string();
        tlv(UTC_TIME, at.as_bytes())
    };
    let signed_by = sequence(&[tlv(OID, SIGNED_BY)]);
    let called =
        sequence(&[tlv(SET, &sequence(&[tlv(OID, COMMON_NAME), tlv(UTF8, name.as_bytes())]))]);
    let body = sequence(&[
        tlv(0xa0, &tlv(INTEGER, &[2])),
        tlv(INTEGER, &serial),
        signed_by.clone(),
        called.clone(),
        sequence(&[time(now - BEFORE), time(now + AFTER)]),
        called,
        sequence(&[
            sequence(&[tlv(OID, EC_KEY), tlv(OID, P256)]),
            bits(0, pair.public_key().as_ref()),
        ]),
        tlv(0xa3, &extensions(hosts)),
    ]);
    let signature = pair.sign(&random, &body).map_err(failed)?;
    let whole = sequence(&[body, signed_by, bits(0, signature.as_ref())]);
    Ok(Pair { certificate: pem("CERTIFICATE", &whole), key: pem("PRIVATE KEY", document.as_ref()) })
}

fn extensions(hosts: &[String]) -> Vec<u8> {
    let extension = |id: &[u8], critical: bool, value: Vec<u8>| {
        let mut parts = vec![tlv(OID, id)];
        if critical {
            parts.push(vec![0x01, 1, 0xff]);
        }
        parts.push(tlv(OCTET_STRING, &value));
        sequence(&parts)
    };
    let local = ["127.0.0.1", "::1"].iter().filter_map(|address| address.parse::<IpAddr>().ok());
    let addresses = local.map(|address| match address {
        IpAddr::V4(address) => tlv(0x87, &address.octets()),
        IpAddr::V6(address) => tlv(0x87, &address.octets()),
    });
    let names = hosts.iter().map(|host| tlv(0x82, host.as_bytes())).chain(addresses);
    sequence(&[
        // digitalSignature, the first bit, and keyCertSign, the sixth.
        extension(KEY_USAGE, true, bits(2, &[0b1000_0100])),
        extension(EXT_KEY_USAGE, false, sequence(&[tlv(OID, SERVER), tlv(OID, CLIENT)])),
        extension(CONSTRAINTS, true, sequence(&[vec![0x01, 1, 0xff]])),
        extension(ALT_NAME, false, sequence(&names.collect::<Vec<_>>())),
    ])
}

fn bits(unused: u8, bytes: &[u8]) -> Vec<u8> {
    tlv(BIT_STRING, &[&[unused], bytes].concat())
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

/// Tag, length, value.
fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len();
    let mut out = vec![tag];
    match length {
        0..128 => out.push(length as u8),
        128..256 => out.extend([0x81, length as u8]),
        _ => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    out.extend_from_slice(value);
    out
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned());
    let lines: Vec<String> = lines.collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use provost_live::prove::plan::ClientCertificate;
    use provost_live::prove::tls;

    #[test]
    fn a_certificate_and_its_key_are_taken_by_a_library_of_tls() {
        let hosts = vec!["service.shop.svc".to_owned(), "a".repeat(200)];
        let pair = make("service", &hosts).unwrap();
        let told =
            ClientCertificate { certificates: pair.certificate, key: pair.key, made_up: true };
        // The library refuses a key that is not that of the certificate.
        assert_eq!(tls::check(&told), Ok(()));
        let other = make("other", &[]).unwrap();
        assert!(tls::check(&ClientCertificate { key: other.key, ..told }).is_err());
    }

    #[test]
    fn lengths_are_those_of_der() {
        assert_eq!(tlv(4, &[0; 127])[..2], [4, 127]);
        assert_eq!(tlv(4, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(tlv(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
    }
}
