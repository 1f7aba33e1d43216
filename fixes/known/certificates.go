package known

import "github.com/lixfix/lixfix/fixes/fix"

const bundles = "ls -lL /etc/ssl/certs/ca-certificates.crt /nix/var/nix/profiles/default/etc/ssl/certs/ca-bundle.crt; grep -rn ssl-cert-file /etc/nix"

// certificates are the roots that downloads are checked with. Numbers in brackets are those of curl.
func certificates() []*fix.Kind {
	return []*fix.Kind{
		{
			ID: "tls-certs/bundle-missing", Status: fix.Broken, Title: "the file of trusted certificates is absent or cannot be read",
			Means: "Nix uses the first of these that is set or exists: ssl-cert-file in nix.conf, " +
				"NIX_SSL_CERT_FILE, SSL_CERT_FILE, /etc/ssl/certs/ca-certificates.crt, and the bundle of the " +
				"default profile. The daemon has an environment of its own. On a Mac the link is often left from " +
				"nix-darwin.",
			Messages: []string{
				"Problem with the SSL CA cert (path? access rights?) (77)", "ca file does not exist at specified location '…'",
				"exists but is inaccessible, it …", "error adding trust anchors from file: … (curl error code=77)",
			},
			Remedies: do("see which of these files is named but missing", bundles),
			Sources:  []string{nix + "7808", nix + "7914"},
		},
		{
			ID: "tls-certs/not-trusted", Status: fix.Broken, Title: "the server's certificate is not trusted",
			Means: "Most often a company proxy intercepts the connections, and the system knows its certificate but " +
				"Nix does not. An empty bundle and a wrong clock look the same.",
			Messages: []string{
				"SSL peer certificate or SSH remote key was not OK (60)", "certificate signer not trusted. (CAfile: …",
				"certificate has expired. (CAfile: …", "does not match target hostname '…'", "MissingOrMalformedExtensions",
				"SSL certificate OpenSSL verify result: … (curl error code=60)",
			},
			Remedies: do("put the company's root certificate and the usual ones into one file, and set ssl-cert-file in /etc/nix/nix.conf to it; "+
				"check the clock", bundles),
			Sources: []string{nix + "8081", installer + "878"},
		},
		{
			ID: "tls-certs/not-tls", Status: fix.Broken, Title: "the other end does not speak TLS",
			Means: "A proxy, a network's login page or a firewall answers instead of the server, or cuts the " +
				"connection.",
			Messages: []string{"SSL connect error (35)", "unable to download '…': … (curl error code=35)", "GnuTLS, handshake failed: An unexpected TLS packet was received."},
			Remedies: do("try the server with curl", "curl -v https://cache.nixos.org/nix-cache-info"),
		},
		{
			ID: "tls-certs/download-failed", Status: fix.Broken, Title: "a download has failed",
			Means:    "The number in brackets at the end of the line says why: 6 no address, 7 no connection, 35 no TLS, 60 and 77 certificates.",
			Messages: []string{"unable to download '…'", "unable to download 'https://cache.nixos.org"},
			Remedies: do("have lixfix explain the whole line", "lixfix explain LINE"),
		},
		{
			ID: "tls-certs/not-reached", Status: fix.Broken, Title: "no connection to the server",
			Means:    "The name has an address, but nobody answers there: no route, a firewall, or a proxy that Nix does not know of. The daemon knows only the proxies of its own environment.",
			Messages: []string{"Could not connect to server (7)", "Couldn't connect to server (7)"},
			Remedies: do("see whether this host reaches it, and whether a proxy is set", "curl -v https://cache.nixos.org/nix-cache-info; env | grep -i proxy"),
		},
		{
			ID: "tls-certs/netrc-missing", Status: fix.Broken, Title: "the file of passwords that nix.conf names is not there",
			Means:    "netrc-file names it. Releases of Lix after 2.95 refuse to go on without it.",
			Messages: []string{"netrc file does not exist at specified location '…'"},
			Remedies: do("put the file there, or remove the setting", "grep -rn netrc-file /etc/nix"),
		},
		{
			ID: "tls-certs/impure-variable", Status: fix.AtRisk, Title: "a derivation takes NIX_SSL_CERT_FILE from the environment",
			Means: "Lix 2.95 and later says this if the file that the variable names is not available in the " +
				"sandbox.",
			Messages: []string{"is an impure environment variable (set to '…') of this …"},
			Remedies: do("set it to a file that the build users can read", "ls -lL \"$NIX_SSL_CERT_FILE\""),
		},
	}
}
