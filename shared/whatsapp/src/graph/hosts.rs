//! Where the client may connect, and where a token may travel (RELIABILITY.md row 16).
//!
//! Three gates: the URL is on the allow-list; the name resolves to public addresses only, checked by the
//! very lookup that the connection uses, so that nothing can be rebound in between; redirects are not
//! followed. Links that users give us are passed to Meta and never fetched.

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The hosts of Meta's that are called by exact name.
const HOSTS: [&str; 2] = ["graph.facebook.com", "lookaside.fbsbx.com"];

/// Meta's content network: any host below it.
const HOSTS_BELOW: &str = ".fbcdn.net";

/// Why a URL is not fetched. Names the rule and never the URL: it may carry a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the URL may not be fetched: {0}")]
pub struct HostRefused(&'static str);

/// A name resolved to an address that must not be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name resolves to an address that is not public")]
pub(super) struct AddressRefused;

/// The URLs that may be fetched: Meta's hosts, and the origin of the configured base.
#[derive(Debug, Clone)]
pub(super) struct AllowList {
    base: Url,
}

impl AllowList {
    /// The list for a base URL that [`is_base`] has accepted.
    pub(super) const fn new(base: Url) -> Self {
        Self { base }
    }

    /// Reads a URL and checks that a token may be sent to it.
    pub(super) fn check(&self, text: &str) -> Result<Url, HostRefused> {
        // What a lenient parser would repair or drop is refused: two parsers may repair it differently.
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(HostRefused("it contains blanks, backslashes or characters outside ASCII"));
        }
        let url = Url::parse(text).map_err(|_| HostRefused("it is not a URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(HostRefused("it contains user information"));
        }
        if url.origin() == self.base.origin() {
            return Ok(url);
        }
        if url.scheme() != "https" {
            return Err(HostRefused("it is not https"));
        }
        if url.port().is_some() {
            return Err(HostRefused("it names a port"));
        }
        let host = url.host_str().unwrap_or_default();
        let below = host.strip_suffix(HOSTS_BELOW).is_some_and(|label| !label.is_empty() && !label.starts_with('.'));
        if HOSTS.contains(&host) || below { Ok(url) } else { Err(HostRefused("its host is not one of Meta's")) }
    }
}

/// Whether tokens may be sent to this base URL: https, or http on this machine, without user information,
/// query or fragment. An IP address is taken only if it is this machine's.
pub(super) fn is_base(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let is_address = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
    let allowed = match url.scheme() {
        "https" => is_loopback(url) || (!is_address && !host.is_empty()),
        "http" => is_loopback(url),
        _ => false,
    };
    allowed
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}

/// Whether a URL names this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"))
}

/// The lookup that every connection goes through.
#[derive(Debug, Clone, Copy)]
pub(super) struct PublicOnly {
    /// Whether the name `localhost` may be resolved, because the base is on this machine.
    pub(super) localhost: bool,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let exempt = self.localhost && name.as_str() == "localhost";
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One bad address among good ones is a trap, not an accident.
            if !exempt && !found.iter().map(SocketAddr::ip).all(is_public) {
                return Err(AddressRefused.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Whether an address belongs to the public internet (IANA's special-purpose registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        [0 | 10 | 127 | 240..=255, ..] => true,
        [100, 64..=127, ..] | [169, 254, ..] | [172, 16..=31, ..] | [192, 168, ..] | [198, 18..=19, ..] => true,
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        [first, ..] => (224..=239).contains(&first),
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Global unicast is 2000::/3. That leaves out loopback, mapped, translated, unique local and link-local
    // addresses; of what is left, the documentation nets and those that carry an IPv4 address inside.
    match address.segments() {
        [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x2002, ..] | [0x3fff, 0..=0x0fff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// URLs that have led other programs astray.
#[cfg(test)]
pub(super) const TRICKY: &[&str] = &[
    // Addresses, in every spelling.
    "https://169.254.169.254/latest/meta-data/",
    "https://127.0.0.1/",
    "https://10.0.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.1/",
    "https://0/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://157.240.241.60/",
    "https://①②⑦.⓪.⓪.①/",
    // User information.
    "https://lookaside.fbsbx.com@evil.example/",
    "https://lookaside.fbsbx.com:443@evil.example/",
    "https://user@lookaside.fbsbx.com/",
    "https://user:password@lookaside.fbsbx.com/",
    "https://:@lookaside.fbsbx.com:x/",
    "https://lookaside.fbsbx.com%40evil.example/",
    // Names that only look right.
    "https://lookaside.fbsbx.com.evil.example/",
    "https://evil-lookaside.fbsbx.com/",
    "https://sub.lookaside.fbsbx.com/",
    "https://fbsbx.com/",
    "https://fbcdn.net/",
    "https://.fbcdn.net/",
    "https://..fbcdn.net/",
    "https://evilfbcdn.net/",
    "https://x.fbcdn.net.evil.example/",
    "https://facebook.com/",
    "https://graph.facebook.com.evil.example/",
    "https://graph.facebook.co/",
    "https://lookaside.fbsbx.com./",
    "https://x.fbcdn.net./",
    "https://lookasıde.fbsbx.com/",
    "https://xn--lookasde-9fb.fbsbx.com/",
    "https://ｌookaside.fbsbx.com/",
    "https://lookaside。fbsbx.com/",
    "https://localhost/",
    "https://localhost.fbsbx.com/",
    "https://metadata.google.internal/",
    // What parsers repair in different ways.
    "https://evil.example\\@lookaside.fbsbx.com/",
    "https:\\\\evil.example/",
    "https://evil.example\t.fbcdn.net/",
    "https://evil.example\n.fbcdn.net/",
    " https://lookaside.fbsbx.com/",
    "https://lookaside.fbsbx.com/\r\nHost: evil.example",
    "https://evil.example#.fbcdn.net/",
    "https://evil.example?.fbcdn.net/",
    "https://evil.example/.fbcdn.net",
    "https://evil.example%23.fbcdn.net/",
    "//lookaside.fbsbx.com/x",
    "lookaside.fbsbx.com/x",
    "",
    // Other schemes and ports.
    "http://lookaside.fbsbx.com/",
    "http://graph.facebook.com/",
    "ftp://lookaside.fbsbx.com/",
    "file:///etc/passwd",
    "gopher://lookaside.fbsbx.com/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "blob:https://lookaside.fbsbx.com/x",
    "ws://lookaside.fbsbx.com/",
    "wss://lookaside.fbsbx.com/",
    "https://lookaside.fbsbx.com:8443/",
    "https://lookaside.fbsbx.com:80/",
    "https://graph.facebook.com:22/",
    // This machine, but not where the base is.
    "http://127.0.0.1:1/",
    "http://localhost/",
    "http://0.0.0.0/",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn list(base: &str) -> AllowList {
        AllowList::new(Url::parse(base).unwrap())
    }

    #[test]
    fn metas_hosts_and_the_configured_base_are_allowed() {
        let real = list("https://graph.facebook.com");
        for good in [
            "https://graph.facebook.com/v26.0/1",
            "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1&ext=2&hash=AR",
            "https://LOOKASIDE.FBSBX.COM/x",
            "https://lookaside.fbsbx.com:443/x",
            "https://scontent.xx.fbcdn.net/v/t61/1.jpg",
            "https://mmg-a.fbcdn.net/1",
        ] {
            assert!(real.check(good).is_ok(), "{good} was refused");
        }
        assert!(list("http://127.0.0.1:4568").check("http://127.0.0.1:4568/media/1").is_ok());
        assert!(list("https://graph.example.org:8443").check("https://graph.example.org:8443/x").is_ok());
    }

    #[test]
    fn everything_else_is_refused() {
        for base in ["https://graph.facebook.com", "http://127.0.0.1:4568"] {
            for bad in TRICKY {
                assert!(list(base).check(bad).is_err(), "{bad:?} was accepted with the base {base}");
            }
        }
        assert!(TRICKY.len() >= 40);
    }

    #[test]
    fn only_public_addresses_are_connected_to() {
        for good in ["157.240.241.60", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2a03:2880:f12c:83::1", "2001:4860::1"] {
            assert!(is_public(good.parse().unwrap()), "{good} was refused");
        }
        for bad in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::808:808",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "4000::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(bad.parse().unwrap()), "{bad} was accepted");
        }
    }

    #[tokio::test]
    async fn a_name_that_points_at_this_machine_is_not_resolved_unless_the_base_is_there() {
        let resolve = |localhost| PublicOnly { localhost }.resolve("localhost".parse().unwrap());
        let refused = resolve(false).await.err().unwrap();
        assert!(refused.is::<AddressRefused>(), "{refused}");
        assert!(resolve(true).await.is_ok());
    }
}
