//! IP addresses and blocks of them as Kubernetes reads them.
//!
//! Source: `IsValidIPForLegacyField` and `IsValidCIDRForLegacyField` in apimachinery's
//! pkg/util/validation/ip.go, v0.37: `ParseIPSloppy` and `ParseCIDRSloppy` read leading zeros as
//! decimals, and the strict form takes neither these nor mapped addresses nor bits behind the prefix.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is wrong with an address or a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is none.
    None,
    /// `010.96.0.10`
    LeadingZeros,
    /// `::ffff:10.96.0.10`
    Mapped,
    /// `10.1.2.3/8`
    HostBits,
}

impl Fault {
    /// The minor version of Kubernetes that refuses it first: `StrictIPCIDRValidation` is on by
    /// default since 1.36 (pkg/features/kube_features.go).
    pub fn since(self) -> u16 {
        if self == Self::None { 0 } else { 36 }
    }
}

/// Reads an address.
pub fn address(text: &str) -> Result<IpAddr, Fault> {
    let plain = match text.rsplit_once(':') {
        Some((before, last)) if last.contains('.') => format!("{before}:{}", without_zeros(last)),
        None if text.contains('.') => without_zeros(text),
        _ => text.to_owned(),
    };
    match plain.parse::<IpAddr>() {
        Err(_) => Err(Fault::None),
        Ok(_) if plain != text => Err(Fault::LeadingZeros),
        Ok(IpAddr::V6(ip)) if ip.to_ipv4_mapped().is_some() => Err(Fault::Mapped),
        Ok(ip) => Ok(ip),
    }
}

/// `010.96.0.10` as `10.96.0.10`.
fn without_zeros(text: &str) -> String {
    let short = |part: &str| match part.trim_start_matches('0') {
        "" if !part.is_empty() => "0".to_owned(),
        rest => rest.to_owned(),
    };
    text.split('.').map(short).collect::<Vec<_>>().join(".")
}

/// Why the address of an endpoint, or one from outside for a Service, is refused although it is one
/// (`ValidateEndpointIP` in pkg/apis/core/validation/validation.go, Kubernetes v1.37.2).
pub fn not_reachable(ip: IpAddr) -> Option<&'static str> {
    let (local, multicast) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(ip) => {
            let [first, ..] = ip.segments();
            (first & 0xffc0 == 0xfe80, matches!(first & 0xff0f, 0xff02))
        }
    };
    if ip.is_unspecified() {
        Some("may not be unspecified")
    } else if ip.is_loopback() {
        Some("may not be in the loopback range (127.0.0.0/8, ::1/128)")
    } else if local {
        Some("may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    } else if multicast {
        Some("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
    } else {
        None
    }
}

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The address as a number, IPv4 in the low bits.
    address: u128,
    /// 32 or 128.
    bits: u32,
    /// Bits that all of its addresses share.
    prefix: u32,
    /// What the strict form has against it.
    fault: Option<Fault>,
}

impl Cidr {
    /// Reads a block as it always was; none where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let digits = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
        let zeros = prefix.len() > 1 && prefix.starts_with('0');
        let prefix: u32 = prefix.parse().ok().filter(|_| digits)?;
        let (address, bits, fault) = if address.contains(':') {
            let ip = address.parse::<Ipv6Addr>().ok()?;
            let mapped = ip.to_ipv4_mapped().map(|_| Fault::Mapped);
            (u128::from(ip), 128, mapped)
        } else {
            let plain = without_zeros(address);
            let zeros = (plain != address).then_some(Fault::LeadingZeros);
            (u128::from(u32::from(plain.parse::<Ipv4Addr>().ok()?)), 32, zeros)
        };
        if prefix > bits {
            return None;
        }
        let zeros = zeros.then_some(Fault::LeadingZeros);
        let network = Self { address, bits, prefix, fault: None }.network();
        let behind = (network != address).then_some(Fault::HostBits);
        Some(Self { address, bits, prefix, fault: zeros.or(fault).or(behind) })
    }

    /// What the strict form has against it.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// The address without the bits behind the prefix.
    fn network(&self) -> u128 {
        let shift = self.bits - self.prefix;
        let cut = self.address.checked_shr(shift).unwrap_or(0);
        cut.checked_shl(shift).unwrap_or(0)
    }

    /// The block as the strict form writes it: `10.0.0.0/8`.
    pub fn strict(&self) -> String {
        let network = self.network();
        match u32::try_from(network) {
            Ok(network) if self.bits == 32 => {
                format!("{}/{}", Ipv4Addr::from(network), self.prefix)
            }
            _ => format!("{}/{}", Ipv6Addr::from(network), self.prefix),
        }
    }

    /// Whether `part` is inside and smaller.
    pub fn holds_more_than(&self, part: &Self) -> bool {
        let shift = self.bits - self.prefix;
        let network = |address: u128| address.checked_shr(shift).unwrap_or(0);
        self.bits == part.bits
            && self.prefix < part.prefix
            && network(self.address) == network(part.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_kubernetes_reads_them() {
        for text in ["10.96.0.10", "0.0.0.0", "fd00::10", "::10.0.0.1"] {
            assert!(address(text).is_ok(), "{text}");
        }
        for text in ["All", "10.96.0", "10.96.0.256", "10..0.1", "10.96.0.10/24", "fe80::1%eth0"] {
            assert_eq!(address(text), Err(Fault::None), "{text}");
        }
        for text in ["010.96.0.10", "10.96.00.10", "::ffff:010.0.0.1"] {
            assert_eq!(address(text), Err(Fault::LeadingZeros), "{text}");
        }
        for text in ["::ffff:10.0.0.1", "::ffff:a00:1"] {
            assert_eq!(address(text), Err(Fault::Mapped), "{text}");
        }
    }

    #[test]
    fn endpoints_are_not_where_nobody_else_can_be() {
        let why = |text: &str| not_reachable(text.parse().unwrap());
        for text in ["10.0.0.1", "192.0.2.1", "224.0.1.1", "2001:db8::1", "fd00::1", "169.253.0.1"]
        {
            assert_eq!(why(text), None, "{text}");
        }
        for text in ["0.0.0.0", "::", "127.0.0.1", "::1", "169.254.169.254", "fe80::1", "febf::1"] {
            assert!(why(text).is_some(), "{text}");
        }
        assert!(why("224.0.0.1").is_some() && why("ff02::1").is_some() && why("ff12::1").is_some());
        assert!(why("ff0e::1").is_none());
    }

    #[test]
    fn blocks_are_compared_as_gos_net_does() {
        let cidr = |text: &str| Cidr::parse(text).unwrap_or_else(|| panic!("{text}"));
        for (whole, part, inside) in [
            ("10.0.0.0/8", "10.1.0.0/16", true),
            ("10.0.0.0/8", "10.0.0.0/8", false),
            ("10.0.0.0/8", "11.0.0.0/16", false),
            ("0.0.0.0/0", "169.254.169.254/32", true),
            ("::/0", "fd00::/8", true),
            ("::/0", "10.0.0.0/8", false),
            ("fd00::/8", "fd12:3456::/32", true),
            // Host bits are cut off.
            ("10.1.2.3/8", "10.200.0.0/16", true),
        ] {
            assert_eq!(cidr(whole).holds_more_than(&cidr(part)), inside, "{whole} {part}");
        }
    }

    #[test]
    fn the_strict_form_takes_the_network_alone() {
        for (text, fault, strict) in [
            ("10.0.0.0/8", None, "10.0.0.0/8"),
            ("0.0.0.0/0", None, "0.0.0.0/0"),
            ("10.1.2.3/32", None, "10.1.2.3/32"),
            ("2001:db8::/64", None, "2001:db8::/64"),
            ("10.1.2.3/8", Some(Fault::HostBits), "10.0.0.0/8"),
            ("1.2.3.4/0", Some(Fault::HostBits), "0.0.0.0/0"),
            ("2001:db8::1/64", Some(Fault::HostBits), "2001:db8::/64"),
            ("010.0.0.0/8", Some(Fault::LeadingZeros), "10.0.0.0/8"),
            ("10.0.0.0/08", Some(Fault::LeadingZeros), "10.0.0.0/8"),
            ("::ffff:10.0.0.0/104", Some(Fault::Mapped), "::ffff:10.0.0.0/104"),
        ] {
            let cidr = Cidr::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((cidr.fault(), cidr.strict().as_str()), (fault, strict), "{text}");
        }
        for text in ["10.0.0.0", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/+8", "a/8", "/8"] {
            assert_eq!(Cidr::parse(text), None, "{text}");
        }
    }
}
