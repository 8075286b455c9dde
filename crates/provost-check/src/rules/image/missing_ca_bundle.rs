//! A client of TLS in an image without root certificates.

use crate::case::hides::Hides;
use crate::case::image::ImageView;
use crate::case::image_contents::CA_BUNDLE;
use crate::case::{Case, ProgramCase};
use crate::facts::binary::GoProgram;
use crate::facts::program_text::{TextKind, TextOwner};
use crate::facts::{Fact, Origin, symbols};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const HIDDEN: Variant = Variant::new(
    "bundle-hidden-by-volume",
    Level::Warn,
    "a program that calls others over TLS, and a volume over the image's root certificates",
);

/// Every certificate is signed by an unknown authority.
pub static RULE: Rule = Rule {
    id: "missing-ca-bundle",
    group: Group::Image,
    level: Level::Warn,
    title: "a program that calls others over TLS, in an image without root certificates",
    page: include_str!("missing-ca-bundle.md"),
    needs: &[Need::Binary, Need::Dockerfile],
    check: Check::Container(container),
    variants: &[HIDDEN],
    also: &[Check::Program(program)],
    ..Rule::BASE
};

fn container(case: &Case<'_>, out: &mut Findings) -> Judged {
    let program = case.program()?;
    let Some(client) = outbound(program)? else { return Err(Abstain::NotApplicable) };
    let image = case.image()?;
    let hides = if image.supplies(&CA_BUNDLE)? {
        match case.hides_all(image, &CA_BUNDLE)? {
            Some(hides) => Some(hides),
            None => return Ok(()),
        }
    } else if let Some(mount) = CA_BUNDLE.mounts(&case.container.mounts).next() {
        let what = format!("what the volume {} holds at {}", mount.name.value, mount.path.value);
        return Err(Abstain::unknown(Reason::VolumeUnknown, what));
    } else {
        None
    };
    let env = case.environment();
    if env.get("SSL_CERT_FILE")?.is_some() || env.get("SSL_CERT_DIR")?.is_some() {
        return Ok(());
    }
    let url = env.iter().filter(|(name, _)| !of_itself(name)).find_map(|(name, variable)| {
        let value = variable.value.as_ref().ok()?;
        let host = public_host(value)?;
        let what = format!("{name} names {host}");
        Some(Fact::written(what, variable.origin.clone()))
    });
    if hides.is_some() {
        case.of.pod_unpatched(&["volumes", "initContainers", "containers/volumeMounts"])?;
    }
    let finding = finding(program, image, client, url, hides.as_ref());
    out.push(finding.also(case.container_origin(), "runs it"));
    Ok(())
}

/// An image that no container of the input runs.
fn program(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    if case.cases().next().is_some() {
        return Err(Abstain::NotApplicable);
    }
    let program = case.program()?;
    let Some(client) = outbound(program)? else { return Err(Abstain::NotApplicable) };
    let image = case
        .image()
        .ok_or_else(|| Abstain::unknown(Reason::NoDockerfile, "the image the program runs in"))?;
    let set = |name: &str| image.config().env.iter().any(|(key, _)| key.value == name);
    if image.supplies(&CA_BUNDLE)? || set("SSL_CERT_FILE") || set("SSL_CERT_DIR") {
        return Ok(());
    }
    out.push(finding(program, image, client, None, None));
    Ok(())
}

fn finding(
    program: &GoProgram,
    image: ImageView<'_>,
    client: &Origin,
    by_env: Option<Fact<String>>,
    hides: Option<&Hides<'_>>,
) -> Finding {
    let error = "every call ends with `x509: certificate signed by unknown authority`";
    let finding = match hides {
        Some(hides) => Finding::new(
            &RULE,
            format!("the program calls others over TLS, and {}: {error}", hides.told("CA bundle")),
            &hides.mount.path.origin,
            "hides what the image has here",
        )
        .variant(&HIDDEN)
        .also(&hides.volume.origin, hides.why.clone()),
        None => Finding::new(
            &RULE,
            format!("the program calls others over TLS and the image has no CA bundle: {error}"),
            &image.origin(),
            "has no CA bundle",
        ),
    };
    let mut finding = finding.also(client, "makes outbound connections");
    let proof = by_env.or_else(|| address(program));
    if let Some(proof) = proof {
        finding = finding.also(&proof.origin, proof.value);
        if image.is_certain() {
            finding = finding.level(Level::Deny);
        }
    }
    if let Some(hides) = hides {
        return finding.fix(Fix::suggest(hides.elsewhere("authorities")));
    }
    finding.fix(Fix::suggest(match image.build() {
        Some(build) if build.stages.len() > 1 => {
            "COPY --from=<builder> /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/, or use a \
             base that has them (distroless/static)"
        }
        _ => {
            "install ca-certificates in the image, or use a base that has them (distroless/static)"
        }
    }))
}

/// The function by which it makes connections that may be TLS; `None` when it makes none, or when
/// it brings its roots along.
fn outbound(program: &GoProgram) -> Result<Option<&Origin>, Abstain> {
    const ROOTS: &[&str] = &[
        "github.com/breml/rootcerts",
        "github.com/certifi/gocertifi",
        "github.com/gwatts/rootcerts",
        "golang.org/x/crypto/x509roots/fallback",
    ];
    let http = [symbols::HTTP_DIAL, symbols::TLS_DIAL, symbols::TLS_DIAL_INNER];
    let mut client = program.links_any(&http)?;
    // Without credentials for TLS a client of gRPC speaks plain text.
    if client.is_none() && program.links(symbols::GRPC_TLS)?.is_some() {
        client = program.links_any(&[symbols::GRPC_NEW_CLIENT, symbols::GRPC_DIAL])?;
    }
    let own = [
        symbols::FALLBACK_ROOTS,
        symbols::FALLBACK_ROOTS_INIT,
        symbols::SET_FALLBACK_ROOTS,
        // It calls the API server with the authority of its service account.
        symbols::IN_CLUSTER_CONFIG,
    ];
    let brings = program.links_any(&own)?.is_some()
        || ROOTS.iter().any(|package| program.links_package(package));
    Ok(client.filter(|_| !brings))
}

/// An address of its own that only TLS reaches.
fn address(program: &GoProgram) -> Option<Fact<String>> {
    let strings = program.text.strings().ok()?;
    let own = strings.iter().filter(|s| s.owner == TextOwner::Main && s.kind == TextKind::Url);
    own.into_iter().find_map(|string| {
        let host = public_host(&string.text)?;
        Some(Fact::written(format!("the string https://{host}"), string.origin.clone()))
    })
}

/// The host of an `https://` address whose certificate a public authority signs, as far as can be
/// told: no cluster's own name, nobody's example, no place of documentation.
fn public_host(url: &str) -> Option<&str> {
    const PAGES: &[&str] = &[
        "github.com",
        "go.dev",
        "golang.org",
        "json-schema.org",
        "kubernetes.io",
        "opentelemetry.io",
        "schemas.microsoft.com",
    ];
    let rest = url.strip_prefix("https://")?;
    let end = rest.find(['/', '?', '#', ':']).unwrap_or(rest.len());
    let host = &rest[..end];
    let label = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let top = host.rsplit('.').next()?;
    let named = host.contains('.') && host.split('.').all(label) && top.parse::<u8>().is_err();
    let private =
        matches!(top, "local" | "internal" | "svc" | "lan" | "test" | "example" | "localdomain");
    let example = ["example.com", "example.org", "example.net"]
        .iter()
        .any(|e| host == *e || host.ends_with(&format!(".{e}")));
    let page = PAGES.contains(&host)
        || ["docs.", "www.", "pkg.", "help.", "schema.", "schemas."]
            .iter()
            .any(|start| host.starts_with(start));
    (named && !private && !example && !page).then_some(host)
}

/// Names of variables that say where others find the program itself.
fn of_itself(name: &str) -> bool {
    let own = ["PUBLIC", "EXTERNAL", "BASE", "ORIGIN", "CORS", "REDIRECT", "CALLBACK", "FRONTEND"];
    own.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::public_host;

    #[test]
    fn hosts_that_a_public_authority_vouches_for() {
        assert_eq!(public_host("https://api.stripe.com/v1"), Some("api.stripe.com"));
        assert_eq!(public_host("https://oauth2.googleapis.com:443"), Some("oauth2.googleapis.com"));
        for other in [
            "http://api.stripe.com",
            "https://orders.shop.svc.cluster.local",
            "https://orders.shop.svc:8443",
            "https://vault",
            "https://10.1.2.3",
            "https://%s.amazonaws.com",
            "https://api.example.com",
            "https://docs.stripe.com/errors",
            "https://github.com/org/repository",
            "https://",
        ] {
            assert_eq!(public_host(other), None, "{other}");
        }
    }
}
